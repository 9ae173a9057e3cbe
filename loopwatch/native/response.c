/* The `send` that an app gets in place of the server's: it sees when the response is complete.

   Nothing is awaited here, and no message is changed except the first, to which `start` may add.
   It is an object of its own, not the request: an app may keep it for long. What a request keeps
   lives as long as any copy of its context, and a cancelled asyncio timer keeps one for minutes.

   A response is complete with its last body, whose bytes may come from a file (`pathsend`,
   `zerocopysend`); if it announced trailers as it began, with the last of these. */

#include "native.h"

typedef struct {
    PyObject_HEAD
    PyObject *send, *start; /* start: (request, message) -> message, or None */
    LoopState *state;
    Request *request;
    vectorcallfunc call;
    int trailers; /* whether the response announced any as it began */
} Response;

Spares spare_responses = {.type = &ResponseType};

/* Says whether the step in progress is the request's own, by its exchange or the running context;
   -1 with an exception. */
static int
is_own_step(LoopState *state, Request *request)
{
    PyObject *owner;
    if (state->owner == (PyObject *)request) {
        return 1;
    }
    if (PyContextVar_Get(wired.variable, NULL, &owner) < 0) {
        return -1;
    }
    int own = owner == (PyObject *)request;
    Py_XDECREF(owner);
    return own;
}

/* Notes that the response is complete, what the request has used by now, and its span if it was
   slow. */
static int
settle(LoopState *state, Request *request)
{
    int own = is_own_step(state, request);
    if (own < 0) {
        return -1;
    }
    double now = read_clock(), since = now; /* a step that is not its own adds nothing */
    if (own) {
        since = state->mark > request->started ? state->mark : request->started;
    }
    request->responded = now;
    request->settled = request->taken + request->seconds + long_seconds(request) + now - since;
    if (now - request->started + request->queued >= wired.slow && is_there(state->span)) {
        PyObject *span = PyObject_CallNoArgs(state->span);
        if (span == NULL) {
            return -1;
        }
        Py_XSETREF(request->span, span);
    }
    return 0;
}

/* Says whether a key of a message is there and true; -1 with an exception. */
static int
says(PyObject *message, PyObject *key)
{
    PyObject *value = find_early(message, key);
    if (value == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    return PyObject_IsTrue(value);
}

/* Says whether a message that is neither the start nor a usual body has the last bytes of a
   response; -1 with an exception. */
static int
ends_otherwise(Response *self, PyObject *type, PyObject *message)
{
    static PyObject *last_path, *last_zero_copy, *last_trailers; /* texts */
    if (self->trailers) {
        if (!is_text(type, str_trailers_message, &last_trailers)) {
            return 0;
        }
        int more = says(message, str_more_trailers);
        return more < 0 ? -1 : !more;
    }
    if (is_text(type, str_path, &last_path)) {
        return 1;
    }
    if (!is_text(type, str_zero_copy, &last_zero_copy)) {
        return 0;
    }
    int more = says(message, str_more_body);
    return more < 0 ? -1 : !more;
}

/* Notes whether the response announces trailers, and returns its start as it is to be sent, a new
   reference. */
static PyObject *
begun(Response *self, PyObject *message)
{
    int trailers = says(message, str_trailers);
    if (trailers < 0) {
        return NULL;
    }
    self->trailers = trailers;
    return self->start == Py_None
               ? Py_NewRef(message)
               : PyObject_CallFunctionObjArgs(self->start, self->request, message, NULL);
}

/* Returns the message to send in place of a message, a new reference. */
static PyObject *
answered(Response *self, PyObject *message)
{
    if (!PyDict_CheckExact(message) || self->request->responded != 0.0) {
        return Py_NewRef(message);
    }
    PyObject *type = find_early(message, str_type);
    if (type == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(message);
    }
    static PyObject *last_start, *last_body; /* texts */
    int last = 0;
    if (type != last_start && is_text(type, str_body, &last_body)) {
        int more = self->trailers ? 1 : says(message, str_more_body);
        last = more < 0 ? -1 : !more;
    }
    else if (is_text(type, str_start, &last_start)) {
        return begun(self, message);
    }
    else if (!PyErr_Occurred()) {
        last = ends_otherwise(self, type, message);
    }
    if (last < 0 || (last && settle(self->state, self->request) < 0)) {
        return NULL;
    }
    return PyErr_Occurred() ? NULL : Py_NewRef(message);
}

static PyObject *
response_call(Response *self, PyObject *const *args, size_t count, PyObject *names)
{
    if (PyVectorcall_NARGS(count) != 1 || names != NULL) {
        return PyObject_Vectorcall(self->send, args, count, names);
    }
    PyObject *message = answered(self, args[0]);
    if (message == NULL) {
        return NULL;
    }
    PyObject *arguments[] = {NULL, self->send, message}, *send = self->send;
    Py_ssize_t first = 2;
    if (PyMethod_Check(send)) { /* call its function, as the method would */
        arguments[1] = PyMethod_GET_SELF(send);
        send = PyMethod_GET_FUNCTION(send);
        first = 1;
    }
    PyObject *sending = call_fast(send, arguments + first,
                                  (3 - first) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(message);
    return sending;
}

/* Returns any other attribute from the server's `send`. */
static PyObject *
response_getattr(Response *self, PyObject *name)
{
    return self->send != NULL ? PyObject_GetAttr(self->send, name)
                              : PyObject_GenericGetAttr((PyObject *)self, name);
}

static int
response_traverse(Response *self, visitproc visit, void *arg)
{
    Py_VISIT(self->send);
    Py_VISIT(self->start);
    Py_VISIT(self->state);
    Py_VISIT(self->request);
    return 0;
}

static void
response_dealloc(Response *self)
{
    begin_to_end((PyObject *)self);
    Py_CLEAR(self->send);
    Py_CLEAR(self->start);
    Py_CLEAR(self->state);
    Py_CLEAR(self->request);
    self->call = NULL; /* a spare cannot be called */
    self->trailers = 0;
    keep_spare(&spare_responses, (PyObject *)self);
}

PyTypeObject ResponseType = { /* no tp_clear: other objects of a cycle can be cleared */
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.Response",
    .tp_basicsize = sizeof(Response),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_vectorcall_offset = offsetof(Response, call),
    .tp_call = PyVectorcall_Call,
    .tp_getattro = (getattrofunc)response_getattr,
    .tp_dealloc = (destructor)response_dealloc,
    .tp_traverse = (traverseproc)response_traverse,
};

/* Calls `late` for a request that may have waited in its socket; -1 with an exception. */
int
ask_late(LoopState *state, Request *request, PyObject *receive, PyObject *late)
{
    if (request->started >= state->behind) {
        return 0;
    }
    PyObject *asked = PyObject_CallFunctionObjArgs(late, request, receive, NULL);
    Py_XDECREF(asked);
    return asked == NULL ? -1 : 0;
}

PyObject *
new_response(LoopState *state, Request *request, PyObject *send, PyObject *start)
{
    Response *self = (Response *)take_spare(&spare_responses);
    if (self == NULL) {
        return NULL;
    }
    self->state = (LoopState *)Py_NewRef(state);
    self->request = (Request *)Py_NewRef(request);
    self->send = Py_NewRef(send);
    self->start = Py_NewRef(start);
    self->call = (vectorcallfunc)response_call;
    return (PyObject *)self;
}

/* answering(loop state, request, receive, send, start, late): the `send` for a request that
   begins */
PyObject *
answering(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 6 || !PyObject_TypeCheck(args[0], &LoopStateType) || !is_request(args[1])) {
        PyErr_SetString(PyExc_TypeError, "answering takes a state, a request, and four callables");
        return NULL;
    }
    LoopState *state = (LoopState *)args[0];
    Request *request = (Request *)args[1];
    if (!is_wired()) {
        return NULL;
    }
    if (ask_late(state, request, args[2], args[5]) < 0) {
        return NULL;
    }
    return new_response(state, request, args[3], args[4]);
}
