/* What the middleware and its exchanges share. */

#ifndef LOOPWATCH_EXCHANGE_H
#define LOOPWATCH_EXCHANGE_H

#include "native.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *app;
    void *loop; /* compared only: the running loop that the rest belongs to; NULL: none yet */
    unsigned long thread; /* of that loop */
    PyObject *watched, *rows, *start, *late;
    LoopState *state;
    PyTypeObject *app_type; /* compared only: has `app_function` as __call__, as of this version */
    unsigned int app_version;
    PyObject *app_function;
} Middleware;

enum phase { ENDED, NEW, RUNNING, SUSPENDED }; /* spares are ENDED */

typedef struct {
    PyObject_HEAD
    Middleware *front;
    LoopState *state;
    PyObject *scope, *receive, *send, *watched, *rows;
    Request *request;    /* NULL before it begins, after it ends, and if Python handles it */
    PyObject *coroutine; /* the app's */
    enum phase phase;
} Exchange;

/* exchange.c */
PySendResult exchange_resume(Exchange *self, PyObject *argument, PyObject **result);
int end_exchange(Exchange *self, int raised);

/* exchange_type.c */
PyObject *new_exchange(Middleware *front, PyObject *scope, PyObject *receive, PyObject *send);

#endif
