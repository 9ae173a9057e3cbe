/* The wrapper that replaces asyncio.Handle._run. */

#ifndef LOOPWATCH_ASYNCIO_RUN_H
#define LOOPWATCH_ASYNCIO_RUN_H

#include "native.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *run;    /* the original asyncio.Handle._run */
    PyObject *states; /* dict of loop states by loop */
    PyObject *only;   /* the loop, if there is only one */
    PyObject *its_state;
    int plain; /* `run` is asyncio's own, and handles have the slots we know */
} TimedRun;

PyObject *timed_run_call(TimedRun *self, PyObject *const *args, size_t count, PyObject *names);
int has_slots(void); /* whether handles have all the slots that we read */

#endif
