/* The object that replaces asyncio.Handle._run: one for all watched loops. Its work is done in
   asyncio_run.c. */

#include "asyncio_run.h"

static PyObject *
timed_run_get(PyObject *self, PyObject *instance, PyObject *owner)
{
    (void)owner;
    return instance == NULL ? Py_NewRef(self) : PyMethod_New(self, instance);
}

static int
timed_run_traverse(TimedRun *self, visitproc visit, void *arg)
{
    Py_VISIT(self->run);
    Py_VISIT(self->states);
    Py_VISIT(self->only);
    Py_VISIT(self->its_state);
    return 0;
}

static int
timed_run_clear(TimedRun *self)
{
    Py_CLEAR(self->only);
    Py_CLEAR(self->its_state);
    return 0; /* the rest stays while this can be called; clearing the dict ends a cycle */
}

static void
timed_run_dealloc(TimedRun *self)
{
    PyObject_GC_UnTrack(self);
    timed_run_clear(self);
    Py_CLEAR(self->run);
    Py_CLEAR(self->states);
    PyObject_GC_Del(self);
}

/* Releases the single loop and its loop state; from now on only loops in `states` are found. */
static PyObject *
timed_run_forget(TimedRun *self, PyObject *unused)
{
    (void)unused;
    timed_run_clear(self);
    Py_RETURN_NONE;
}

static PyMemberDef timed_run_members[] = {
    {"__wrapped__", T_OBJECT, offsetof(TimedRun, run), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef timed_run_methods[] = {
    {"forget", (PyCFunction)timed_run_forget, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject TimedRunType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.TimedRun",
    .tp_basicsize = sizeof(TimedRun),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_vectorcall_offset = offsetof(TimedRun, call),
    .tp_call = PyVectorcall_Call,
    .tp_descr_get = timed_run_get,
    .tp_dealloc = (destructor)timed_run_dealloc,
    .tp_traverse = (traverseproc)timed_run_traverse,
    .tp_clear = (inquiry)timed_run_clear,
    .tp_members = timed_run_members,
    .tp_methods = timed_run_methods,
};

/* timed_run(run, loop states, eager): only the Python version needs `eager` */
PyObject *
timed_run(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *run, *states, *loop, *state;
    int eager;
    Py_ssize_t at = 0;
    if (!PyArg_ParseTuple(args, "OO!p:timed_run", &run, &PyDict_Type, &states, &eager)) {
        return NULL;
    }
    while (PyDict_Next(states, &at, &loop, &state)) {
        if (!PyObject_TypeCheck(state, &LoopStateType)) {
            PyErr_Format(PyExc_TypeError, "states must be of LoopState, got %R", state);
            return NULL;
        }
    }
    TimedRun *self = is_wired() ? PyObject_GC_New(TimedRun, &TimedRunType) : NULL;
    if (self == NULL) {
        return NULL;
    }
    self->call = (vectorcallfunc)timed_run_call;
    self->run = Py_NewRef(run);
    self->states = Py_NewRef(states);
    self->only = self->its_state = NULL;
    self->plain = run == wired.plain_run && has_slots();
    at = 0;
    if (PyDict_GET_SIZE(states) == 1 && PyDict_Next(states, &at, &loop, &state)) {
        self->only = Py_NewRef(loop);
        self->its_state = Py_NewRef(state);
    }
    PyObject_GC_Track(self);
    return (PyObject *)self;
}
