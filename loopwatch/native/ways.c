/* Small functions that do not run at every step. */

#include "native.h"

int
is_wired(void)
{
    if (wired.variable == NULL || wired.end_long_step == NULL || wired.edge_count == 0) {
        PyErr_SetString(PyExc_RuntimeError, "loopwatch.loop.step_timing must be imported first");
        return 0;
    }
    return 1;
}

int
to_float(PyObject *object, double *value)
{
    *value = PyFloat_AsDouble(object);
    return *value == -1.0 && PyErr_Occurred() ? -1 : 0;
}

int
slow_way(PyObject *function, PyObject *first, PyObject *second, PyObject *third, double took)
{
    PyObject *seconds = PyFloat_FromDouble(took);
    if (seconds == NULL) {
        return -1;
    }
    PyObject *arguments[] = {first, second, third != NULL ? third : seconds, seconds};
    PyObject *done = PyObject_Vectorcall(function, arguments, third != NULL ? 4 : 3, NULL);
    Py_DECREF(seconds);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

PyObject *
counts_of(const Buckets *buckets)
{
    PyObject *counts = PyTuple_New(wired.edge_count + 1);
    for (Py_ssize_t n = 0; counts != NULL && n <= wired.edge_count; n++) {
        PyObject *each = PyLong_FromSsize_t(buckets->counts[n]);
        if (each == NULL) {
            Py_CLEAR(counts);
        }
        else {
            PyTuple_SET_ITEM(counts, n, each);
        }
    }
    return counts;
}

PyObject *
floats_of(const double *values)
{
    PyObject *floats = PyTuple_New(wired.edge_count + 1);
    for (Py_ssize_t n = 0; floats != NULL && n <= wired.edge_count; n++) {
        PyObject *each = PyFloat_FromDouble(values[n]);
        if (each == NULL) {
            Py_CLEAR(floats);
        }
        else {
            PyTuple_SET_ITEM(floats, n, each);
        }
    }
    return floats;
}

int
drop_error(PyObject *where)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return -1;
    }
    PyErr_WriteUnraisable(where);
    return 0;
}
