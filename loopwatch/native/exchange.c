/* The call of an app for one request, as an awaitable. It begins the request in its first step,
   forwards everything to the app's coroutine, and ends the request when that ends.

   It replaces an `async def __call__` at a lower cost: no frame, and only one send between the
   server and the app. Python handles a request that begins within another's step (`nested`). */

#include "native.h"
#include "exchange.h"
#include "raised.h"

/* Returns the app's __call__ if it is a plain function, borrowed; else NULL. Calling the function
   avoids the argument tuple of a call through the class. */
static PyObject *
function_of_app(Middleware *front)
{
    PyTypeObject *type = Py_TYPE(front->app);
    if (type == front->app_type && type->tp_version_tag == front->app_version &&
        front->app_version != 0) {
        return front->app_function;
    }
    PyObject *found = PyObject_GetAttr((PyObject *)type, str___call__);
    if (found == NULL || !PyFunction_Check(found)) {
        PyErr_Clear();
        Py_CLEAR(found);
    }
    front->app_type = type;
    front->app_version = type->tp_version_tag;
    Py_XSETREF(front->app_function, found);
    return found;
}

/* Returns a coroutine for what the app returned, which may be any awaitable. */
static PyObject *
as_coroutine(PyObject *returned)
{
    if (returned != NULL && !PyCoro_CheckExact(returned)) {
        Py_SETREF(returned, PyObject_CallOneArg(wired.awaiting, returned));
    }
    return returned;
}

static PyObject *
call_app(Exchange *self, PyObject *send)
{
    PyObject *app = self->front->app;
    if (app == NULL) { /* deleted since we looked */
        PyErr_SetString(PyExc_AttributeError, "app");
        return NULL;
    }
    Py_INCREF(app); /* it may be replaced while it is called */
    PyObject *function = function_of_app(self->front);
    PyObject *arguments[] = {NULL, app, self->scope, self->receive, send};
    Py_ssize_t first = function != NULL ? 1 : 2;
    PyObject *coroutine = call_fast(function != NULL ? function : app, arguments + first,
                                    (5 - first) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(app);
    return as_coroutine(coroutine);
}

/* Begins the request in its own context; returns the app's coroutine, a new reference. */
static PyObject *
begin_exchange(Exchange *self)
{
    Middleware *front = self->front;
    if (front->state != self->state || front->app == NULL) { /* it serves another loop by now */
        PyObject *arguments[] = {(PyObject *)front, self->scope, self->receive, self->send};
        return as_coroutine(PyObject_VectorcallMethod(str_serve, arguments,
                                                      4 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL));
    }
    Request *request = begin_request((PyObject *)front, self->scope);
    if (request == NULL) {
        return NULL;
    }
    if (request->outer != Py_None) {
        PyObject *arguments[] = {(PyObject *)front, self->watched, (PyObject *)request, self->scope,
                                 self->receive, self->send};
        PyObject *nested = PyObject_VectorcallMethod(str_nested, arguments,
                                                     6 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(request);
        return as_coroutine(nested);
    }
    self->request = request;
    PyObject *coroutine = NULL, *send = new_response(self->state, request, self->send, front->start);
    if (send != NULL) {
        if (ask_late(self->state, request, self->receive, front->late) == 0) {
            coroutine = call_app(self, send);
        }
        Py_DECREF(send);
    }
    return coroutine;
}

/* Counts a request that ends; the app's exception stays set. -1 with another one that replaces
   it. */
static int
end_request(Exchange *self, Request *request, int raised)
{
    Raised aside = set_aside(raised);
    int known = finish_request(self->state, self->rows, request);
    if (known == 0) {
        PyObject *done = PyObject_CallMethodOneArg(self->watched, str_finish, (PyObject *)request);
        Py_XDECREF(done);
        known = done == NULL ? -1 : 1;
    }
    return put_back(aside, known);
}

/* Ends the request as the app has ended. An exception that is set stays set. */
int
end_exchange(Exchange *self, int raised)
{
    int failed = 0;
    Request *request = self->request;
    self->phase = ENDED;
    Py_CLEAR(self->coroutine);
    if (request != NULL) {
        self->request = NULL;
        failed = end_request(self, request, raised);
        if (self->state->owner == (PyObject *)request) { /* it owns the step until that ends */
            Py_XSETREF(self->state->ended, (PyObject *)request);
        }
        else {
            Py_DECREF(request);
        }
    }
    Py_CLEAR(self->receive);
    Py_CLEAR(self->send);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->watched);
    Py_CLEAR(self->rows);
    return failed;
}

/* Takes an ended request out of the current context: its caller may go on in it, and start tasks.
   A server's own context ends with the request; its `receive` is no plain function. */
static int
leave_context(int raised)
{
    Raised aside = set_aside(raised);
    PyObject *token = PyContextVar_Set(wired.variable, Py_None);
    Py_XDECREF(token);
    return put_back(aside, token == NULL ? -1 : 0);
}

/* ---------------------------------------------------------------- a step */

/* Raises what a coroutine raises if the exchange cannot be started, and returns 1; 0 if it can. */
static int
is_refused(Exchange *self, PyObject *argument)
{
    if (self->phase == ENDED) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    }
    else if (self->phase == RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    }
    else if (argument != Py_None) {
        PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
    }
    else {
        return 0;
    }
    return 1;
}

PySendResult
exchange_resume(Exchange *self, PyObject *argument, PyObject **result)
{
    PySendResult sent = PYGEN_ERROR;
    *result = NULL;
    if (self->phase != SUSPENDED) {
        if (is_refused(self, argument)) {
            return PYGEN_ERROR;
        }
        self->phase = RUNNING;
        self->coroutine = begin_exchange(self);
    }
    self->phase = RUNNING;
    self->state->owner = (PyObject *)self->request;
    if (self->coroutine != NULL) {
        PyObject *outer = self->state->driven;
        self->state->driven = self->coroutine;
        sent = Py_TYPE(self->coroutine)->tp_as_async->am_send(self->coroutine, argument, result);
        self->state->driven = outer;
    }
    self->phase = SUSPENDED;
    if (sent == PYGEN_NEXT) {
        return sent;
    }
    int leaves = self->request != NULL && PyFunction_Check(self->receive);
    if (end_exchange(self, sent == PYGEN_ERROR) < 0 ||
        (leaves && leave_context(sent == PYGEN_ERROR) < 0)) {
        Py_CLEAR(*result);
        return PYGEN_ERROR;
    }
    if (sent == PYGEN_RETURN && *result != Py_None) { /* the call of an app returns None */
        Py_SETREF(*result, Py_NewRef(Py_None));
    }
    return sent;
}
