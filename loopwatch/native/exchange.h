/* What the middleware and the exchanges that it makes share. */

#ifndef LOOPWATCH_EXCHANGE_H
#define LOOPWATCH_EXCHANGE_H

#include "native.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *app;
    void *loop; /* compared only: the running loop whose numbers the rest are; NULL: none yet */
    unsigned long thread; /* that loop's */
    PyObject *watched, *rows, *start, *late;
    LoopState *state;
    PyTypeObject *app_type; /* compared only: whose __call__ the function is, as of this version */
    unsigned int app_version;
    PyObject *app_function;
} Middleware;

enum phase { ENDED, NEW, RUNNING, SUSPENDED }; /* a spare one has ended */

typedef struct {
    PyObject_HEAD
    Middleware *front;
    LoopState *state;
    PyObject *scope, *receive, *send, *watched, *rows;
    Request *request;    /* NULL before it began, after it ended, and where Python has it */
    PyObject *coroutine; /* the app's */
    enum phase phase;
} Exchange;

/* exchange.c */
PySendResult exchange_resume(Exchange *self, PyObject *argument, PyObject **result);
int end_exchange(Exchange *self, int raised);

/* exchange_type.c */
PyObject *new_exchange(Middleware *front, PyObject *scope, PyObject *receive, PyObject *send);

#endif
