/* An exception that is set aside, so that something can be done at the end of what raised it. */
#ifndef LOOPWATCH_RAISED_H
#define LOOPWATCH_RAISED_H

#include "native.h"

typedef struct {
    PyObject *type, *value, *trace;
} Raised;

/* Takes away the exception that is set, if one is. */
static inline Raised
set_aside(int is_set)
{
    Raised raised = {NULL, NULL, NULL};
    if (is_set) {
        PyErr_Fetch(&raised.type, &raised.value, &raised.trace);
    }
    return raised;
}

/* Sets it again. If something failed meanwhile, that takes its place, as an error in a `finally`
   does: -1. */
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
