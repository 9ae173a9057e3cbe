/* The middleware's fast way: an ordinary request on the known loop becomes an `Exchange`. Python's
   `serve` takes all others: the first call, other loops, a lifespan, eager tasks. */

#include "exchange.h"

/* Says whether a call is an ordinary request; -1 with an exception. */
static int
is_ordinary(Middleware *self, PyObject *scope)
{
    if (self->loop == NULL || self->state->closed || self->state->eager || !PyDict_CheckExact(scope)) {
        return 0;
    }
    static PyObject *last_http; /* text */
    PyObject *type = find_early(scope, str_type);
    if (type == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (!is_text(type, str_http, &last_http) && !same_text(type, str_websocket)) {
        return 0;
    }
    if (self->state->running != NULL && PyThread_get_thread_ident() == self->thread) {
        return 1; /* within a step of that loop, on its thread */
    }
    PyObject *running = PyObject_CallNoArgs(wired.running_loop);
    Py_XDECREF(running); /* compared only */
    return running == NULL ? -1 : (void *)running == self->loop;
}

static PyObject *
middleware_call(Middleware *self, PyObject *const *args, size_t count, PyObject *names)
{
    if (PyVectorcall_NARGS(count) == 3 && names == NULL) {
        int ordinary = is_ordinary(self, args[0]);
        if (ordinary < 0) {
            return NULL;
        }
        if (ordinary) {
            return new_exchange(self, args[0], args[1], args[2]);
        }
    }
    PyObject *serve = PyObject_GetAttr((PyObject *)self, str_serve);
    if (serve == NULL) {
        return NULL;
    }
    PyObject *awaitable = PyObject_Vectorcall(serve, args, PyVectorcall_NARGS(count), names);
    Py_DECREF(serve);
    return awaitable;
}

/* remember(loop, watched, loop state, rows, start, late): what the running loop's requests need */
static PyObject *
middleware_remember(Middleware *self, PyObject *args)
{
    PyObject *loop, *watched, *state, *rows, *start, *late;
    if (!PyArg_ParseTuple(args, "OOO!O!OO:remember", &loop, &watched, &LoopStateType, &state,
                          &PyDict_Type, &rows, &start, &late) || !is_wired()) {
        return NULL;
    }
    if (wired.running_loop == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "loopwatch.web.middleware must be imported first");
        return NULL;
    }
    self->loop = loop;
    self->thread = PyThread_get_thread_ident();
    put(&self->watched, watched);
    put((PyObject **)&self->state, state);
    put(&self->rows, rows);
    put(&self->start, start);
    put(&self->late, late);
    Py_RETURN_NONE;
}

static void
forget(Middleware *self)
{
    self->loop = NULL;
    Py_CLEAR(self->watched);
    Py_CLEAR(self->rows);
    Py_CLEAR(self->start);
    Py_CLEAR(self->late);
    Py_CLEAR(self->state);
}

/* forget(): the loop is not watched any more; requests in flight keep what they need to end */
static PyObject *
middleware_forget(Middleware *self, PyObject *unused)
{
    (void)unused;
    forget(self);
    Py_RETURN_NONE;
}

static PyObject *
middleware_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args, (void)keywords;
    Middleware *self = (Middleware *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->call = (vectorcallfunc)middleware_call;
    }
    return (PyObject *)self;
}

static int
middleware_traverse(Middleware *self, visitproc visit, void *arg)
{
    Py_VISIT(self->app);
    Py_VISIT(self->app_function);
    Py_VISIT(self->watched);
    Py_VISIT(self->rows);
    Py_VISIT(self->start);
    Py_VISIT(self->late);
    Py_VISIT(self->state);
    return 0;
}

static int
middleware_clear(Middleware *self)
{
    forget(self);
    Py_CLEAR(self->app);
    Py_CLEAR(self->app_function);
    return 0;
}

static void
middleware_dealloc(Middleware *self)
{
    PyObject_GC_UnTrack(self);
    middleware_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef middleware_members[] = {
    {"app", T_OBJECT, offsetof(Middleware, app), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef middleware_methods[] = {
    {"remember", (PyCFunction)middleware_remember, METH_VARARGS, NULL},
    {"forget", (PyCFunction)middleware_forget, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject MiddlewareType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.Middleware",
    .tp_basicsize = sizeof(Middleware),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Middleware, call),
    .tp_call = PyVectorcall_Call,
    .tp_new = middleware_new,
    .tp_dealloc = (destructor)middleware_dealloc,
    .tp_traverse = (traverseproc)middleware_traverse,
    .tp_clear = (inquiry)middleware_clear,
    .tp_members = middleware_members,
    .tp_methods = middleware_methods,
};
