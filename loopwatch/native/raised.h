/* An exception that is set aside, so that other code can run before it propagates. */
#ifndef LOOPWATCH_RAISED_H
#define LOOPWATCH_RAISED_H

#include "native.h"

typedef struct {
    PyObject *type, *value, *trace;
} Raised;

/* Takes the exception away if one is set. */
static inline Raised
set_aside(int is_set)
{
    Raised raised = {NULL, NULL, NULL};
    if (is_set) {
        PyErr_Fetch(&raised.type, &raised.value, &raised.trace);
    }
    return raised;
}

/* Sets it again. If other code has failed meanwhile, that exception replaces it, as in a `finally`:
   -1. */
static inline int
put_back(Raised raised, int failed)
{
    if (failed < 0) {
        Py_XDECREF(raised.type);
        Py_XDECREF(raised.value);
        Py_XDECREF(raised.trace);
        return -1;
    }
    if (raised.type != NULL) {
        PyErr_Restore(raised.type, raised.value, raised.trace);
    }
    return 0;
}
#endif
