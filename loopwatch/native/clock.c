/* The clock, and an even clock to replace it: when instructions are counted, a slow machine must
   not make anything look slow. */

#include "native.h"

double clock_step, clock_now;

#ifdef _WIN32
#include <windows.h>

double
read_system_clock(void)
{
    LARGE_INTEGER now, frequency;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    return (double)now.QuadPart / (double)frequency.QuadPart;
}
#endif

/* clock() -> seconds, as time.perf_counter */
static PyObject *
clock_read(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyFloat_FromDouble(read_clock());
}

/* set_clock_step(seconds): each reading is this much after the last one; 0.0: use the real clock */
static PyObject *
set_clock_step(PyObject *module, PyObject *seconds)
{
    (void)module;
    double step;
    if (to_float(seconds, &step) < 0) {
        return NULL;
    }
    if (!(step >= 0.0)) {
        PyErr_Format(PyExc_ValueError, "a clock's step must be 0.0 s or more, got %R", seconds);
        return NULL;
    }
    clock_now = clock_step == 0.0 ? read_system_clock() : clock_now;
    clock_step = step;
    Py_RETURN_NONE;
}

PyMethodDef clock_functions[] = {
    {"clock", clock_read, METH_NOARGS, "Return seconds of the clock that steps are timed by."},
    {"set_clock_step", set_clock_step, METH_O, "Make each reading so many seconds later; 0.0 ends it."},
    {NULL, NULL, 0, NULL},
};

/* Says whether the clock is the one of time.perf_counter, to a millisecond; -1 with an
   exception. */
int
clock_agrees(void)
{
    PyObject *time = PyImport_ImportModule("time");
    PyObject *read = time ? PyObject_CallMethod(time, "perf_counter", NULL) : NULL;
    Py_XDECREF(time);
    if (read == NULL) {
        return -1;
    }
    double theirs = PyFloat_AsDouble(read), ours = read_clock();
    Py_DECREF(read);
    return clock_step != 0.0 || (ours - theirs < 0.001 && theirs - ours < 0.001);
}
