/* The exchange as an object: a coroutine with send, throw, close and a finalizer. exchange.c has
   how it begins, is resumed and ends. */

#include "exchange.h"

Spares spare_exchanges = {.type = &ExchangeType};

/* ---------------------------------------------------------------- as a coroutine */

static PyObject *
exchange_send(Exchange *self, PyObject *argument)
{
    PyObject *result;
    if (exchange_resume(self, argument, &result) == PYGEN_RETURN) {
        Py_CLEAR(result);
        PyErr_SetNone(PyExc_StopIteration);
    }
    return result;
}

static PyObject *
exchange_next(Exchange *self)
{
    PyObject *result;
    if (exchange_resume(self, Py_None, &result) == PYGEN_RETURN) {
        Py_CLEAR(result); /* NULL without an exception: the end, without a value */
    }
    return result;
}

/* Returns the arguments of `throw(type, value, traceback)` as one exception, a new reference. */
static PyObject *
thrown_exception(PyObject *args)
{
    PyObject *type, *value = NULL, *trace = NULL;
    if (!PyArg_UnpackTuple(args, "throw", 1, 3, &type, &value, &trace)) {
        return NULL;
    }
    if (PyExceptionInstance_Check(type) && !is_there(value)) {
        value = Py_NewRef(type);
        type = Py_NewRef(PyExceptionInstance_Class(value));
    }
    else if (PyExceptionClass_Check(type)) {
        Py_INCREF(type);
        value = is_there(value) ? Py_NewRef(value) : NULL;
    }
    else {
        PyErr_SetString(PyExc_TypeError, PyExceptionInstance_Check(type)
                                             ? "an exception that is made has no separate value"
                                             : "what is thrown must be an exception");
        return NULL;
    }
    trace = is_there(trace) ? Py_NewRef(trace) : NULL;
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL && PyException_SetTraceback(value, trace) < 0) { /* no traceback */
        Py_CLEAR(value);
    }
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
}

static PyObject *
exchange_throw(Exchange *self, PyObject *args)
{
    PyObject *thrown = thrown_exception(args), *waiter = NULL;
    if (thrown == NULL) {
        return NULL;
    }
    if (self->phase == ENDED || self->phase == RUNNING) {
        PyErr_SetString(self->phase == ENDED ? PyExc_RuntimeError : PyExc_ValueError,
                        self->phase == ENDED ? "cannot reuse already awaited coroutine"
                                             : "coroutine already executing");
    }
    else if (self->coroutine == NULL) { /* not begun, so there is no coroutine to throw into */
        PyErr_SetObject(PyExceptionInstance_Class(thrown), thrown);
        end_exchange(self, 1);
    }
    else {
        self->phase = RUNNING;
        waiter = PyObject_CallMethodOneArg(self->coroutine, str_throw, thrown);
        self->phase = SUSPENDED;
        if (waiter == NULL && end_exchange(self, 1) == 0 &&
            PyErr_ExceptionMatches(PyExc_StopIteration)) { /* the call of an app returns None */
            PyErr_SetNone(PyExc_StopIteration);
        }
    }
    Py_DECREF(thrown);
    return waiter;
}

static PyObject *
exchange_close(Exchange *self, PyObject *unused)
{
    (void)unused;
    PyObject *coroutine = self->coroutine, *done = Py_NewRef(Py_None);
    if (self->phase == RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        Py_CLEAR(done);
    }
    else if (self->phase != ENDED) {
        if (coroutine != NULL) {
            self->phase = RUNNING;
            Py_SETREF(done, PyObject_CallMethodNoArgs(coroutine, str_close));
        }
        if (end_exchange(self, done == NULL) < 0) {
            Py_CLEAR(done);
        }
    }
    return done;
}

/* ---------------------------------------------------------------- as an object */

/* Code that follows the chain of awaited objects (`cr_await` and similar) gets the attributes of
   the app's coroutine. */
static PyObject *
exchange_getattr(Exchange *self, PyObject *name)
{
    if (self->coroutine != NULL && PyUnicode_Check(name) && PyUnicode_GET_LENGTH(name) > 3 &&
        PyUnicode_READ_CHAR(name, 0) == 'c' && PyUnicode_READ_CHAR(name, 1) == 'r' &&
        PyUnicode_READ_CHAR(name, 2) == '_') {
        return PyObject_GetAttr(self->coroutine, name);
    }
    return PyObject_GenericGetAttr((PyObject *)self, name);
}

static int
exchange_traverse(Exchange *self, visitproc visit, void *arg)
{
    Py_VISIT(self->front);
    Py_VISIT(self->state);
    Py_VISIT(self->scope);
    Py_VISIT(self->receive);
    Py_VISIT(self->send);
    Py_VISIT(self->watched);
    Py_VISIT(self->rows);
    Py_VISIT(self->request);
    Py_VISIT(self->coroutine);
    return 0;
}

static int
exchange_clear(Exchange *self)
{
    self->phase = ENDED;
    if (self->state != NULL && self->request != NULL &&
        self->state->owner == (PyObject *)self->request) {
        self->state->owner = NULL;
    }
    Py_CLEAR(self->coroutine);
    Py_CLEAR(self->request);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->receive);
    Py_CLEAR(self->send);
    Py_CLEAR(self->watched);
    Py_CLEAR(self->rows);
    Py_CLEAR(self->front);
    Py_CLEAR(self->state);
    return 0;
}

/* Closes an app that is dropped while it is suspended, as happens to the frame of a coroutine. */
static void
exchange_finalize(Exchange *self)
{
    PyObject *type, *value, *trace;
    if (self->phase != SUSPENDED) {
        return;
    }
    PyErr_Fetch(&type, &value, &trace);
    PyObject *done = exchange_close(self, NULL);
    if (done == NULL) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_XDECREF(done);
    PyErr_Restore(type, value, trace);
}

static void
exchange_dealloc(Exchange *self)
{
    if (self->phase == SUSPENDED && PyObject_CallFinalizerFromDealloc((PyObject *)self) < 0) {
        return; /* resurrected */
    }
    begin_to_end((PyObject *)self);
    exchange_clear(self);
    if (PyObject_GC_IsFinalized((PyObject *)self)) { /* a mark that cannot be removed */
        free_spare((PyObject *)self);
        return;
    }
    keep_spare(&spare_exchanges, (PyObject *)self);
}

static PyMethodDef exchange_methods[] = {
    {"send", (PyCFunction)exchange_send, METH_O, NULL},
    {"throw", (PyCFunction)exchange_throw, METH_VARARGS, NULL},
    {"close", (PyCFunction)exchange_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods exchange_as_async = {
    .am_await = PyObject_SelfIter,
    .am_send = (sendfunc)exchange_resume,
};

PyTypeObject ExchangeType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.Exchange",
    .tp_basicsize = sizeof(Exchange),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_as_async = &exchange_as_async,
    .tp_getattro = (getattrofunc)exchange_getattr,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)exchange_next,
    .tp_methods = exchange_methods,
    .tp_finalize = (destructor)exchange_finalize,
    .tp_dealloc = (destructor)exchange_dealloc,
    .tp_traverse = (traverseproc)exchange_traverse,
    .tp_clear = (inquiry)exchange_clear,
};

PyObject *
new_exchange(Middleware *front, PyObject *scope, PyObject *receive, PyObject *send)
{
    Exchange *self = (Exchange *)take_spare(&spare_exchanges);
    if (self == NULL) {
        return NULL;
    }
    self->phase = NEW;
    self->front = (Middleware *)Py_NewRef(front);
    self->state = (LoopState *)Py_NewRef(front->state);
    self->scope = Py_NewRef(scope);
    self->receive = Py_NewRef(receive);
    self->send = Py_NewRef(send);
    self->watched = Py_NewRef(front->watched);
    self->rows = Py_NewRef(front->rows);
    return (PyObject *)self;
}
