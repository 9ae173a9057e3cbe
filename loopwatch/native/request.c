/* The numbers of one request, and its beginning. */

#include "native.h"

static int
request_traverse(Request *self, visitproc visit, void *arg)
{
    Py_VISIT(self->door);
    Py_VISIT(self->outer);
    Py_VISIT(self->routed);
    Py_VISIT(self->row);
    Py_VISIT(self->scope);
    Py_VISIT(self->span);
    Py_VISIT(self->waits);
    return 0;
}

static int
request_clear(Request *self)
{
    Py_CLEAR(self->door);
    Py_CLEAR(self->outer);
    Py_CLEAR(self->routed);
    Py_CLEAR(self->row);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->span);
    Py_CLEAR(self->waits);
    return 0;
}

static uint32_t serials; /* of the last request */

/* requests_begun() -> how many requests have begun in this process */
PyObject *
requests_begun(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    return PyLong_FromUnsignedLong(serials);
}

Spares spare_requests = {.type = &RequestType};

/* Ends a chain of requests without other references, one by one. Otherwise each would end the next
   within its own end, and a long chain would need more stack than there is. */
static void
end_chain(Request *self)
{
    PyObject *outer = self->outer;
    self->outer = NULL;
    while (outer != NULL && is_request(outer) && Py_REFCNT(outer) == 1) {
        PyObject *next = ((Request *)outer)->outer;
        ((Request *)outer)->outer = NULL;
        Py_DECREF(outer);
        outer = next;
    }
    Py_XDECREF(outer);
}

static void
request_dealloc(Request *self)
{
    begin_to_end((PyObject *)self);
    if (self->outer != Py_None) {
        end_chain(self);
    }
    request_clear(self);
    if (self->times != NULL) {
        PyMem_Free(self->times);
    }
    memset((char *)self + sizeof(PyObject), 0, sizeof(Request) - sizeof(PyObject));
    keep_spare(&spare_requests, (PyObject *)self);
}

/* Request() has no fields set yet. */
static PyObject *
request_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)type, (void)args, (void)keywords;
    return take_spare(&spare_requests);
}

/* Adds a long step to those of a request; -1 with an exception if there is no memory. */
int
add_long_step(Request *request, double took)
{
    if (request->long_steps >= request->room) {
        Py_ssize_t room = request->room ? 4 * request->room : 4;
        double *larger = PyMem_Realloc(request->times, room * sizeof(double));
        if (larger == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        request->times = larger;
        request->room = room;
    }
    request->times[request->long_steps++] = took;
    return 0;
}

/* Returns the seconds of a request's long steps that its row has not taken. */
double
long_seconds(const Request *request)
{
    double sum = 0.0;
    for (Py_ssize_t n = 0; n < request->long_steps; n++) {
        sum += request->times[n];
    }
    return sum;
}

/* add_long_step(seconds) -> whether there are so many that its row should take them */
static PyObject *
request_add_long_step(Request *self, PyObject *seconds)
{
    double took;
    if (to_float(seconds, &took) < 0 || add_long_step(self, took) < 0) {
        return NULL;
    }
    return PyBool_FromLong(self->long_steps >= MANY);
}

/* take_steps(row) -> s: moves the steps so far to a row of steps, and returns their seconds */
static PyObject *
request_take_steps(Request *self, PyObject *row)
{
    if (!PyObject_TypeCheck(row, &StepRowType)) {
        PyErr_Format(PyExc_TypeError, "steps are taken by a StepRow, got %R", row);
        return NULL;
    }
    double all = self->seconds + long_seconds(self);
    take_long_steps((StepRow *)row, self);
    ((StepRow *)row)->steps += self->steps;
    ((StepRow *)row)->seconds += self->seconds;
    self->steps = 0;
    self->seconds = 0.0;
    return PyFloat_FromDouble(all);
}

static PyObject *
request_forget_long_steps(Request *self, PyObject *unused)
{
    (void)unused;
    self->long_steps = 0;
    Py_RETURN_NONE;
}

static PyObject *
request_times(Request *self, void *unused)
{
    (void)unused;
    PyObject *times = PyTuple_New(self->long_steps);
    for (Py_ssize_t n = 0; times != NULL && n < self->long_steps; n++) {
        PyObject *each = PyFloat_FromDouble(self->times[n]);
        if (each == NULL) {
            Py_CLEAR(times);
        }
        else {
            PyTuple_SET_ITEM(times, n, each);
        }
    }
    return times;
}

static PyMemberDef request_members[] = {
    {"started", T_DOUBLE, offsetof(Request, started), 0, NULL},
    {"ended", T_DOUBLE, offsetof(Request, ended), 0, NULL},
    {"seconds", T_DOUBLE, offsetof(Request, seconds), 0, NULL},
    {"charged", T_DOUBLE, offsetof(Request, charged), 0, NULL},
    {"charged_background", T_DOUBLE, offsetof(Request, charged_background), 0, NULL},
    {"charged_stalled", T_DOUBLE, offsetof(Request, charged_stalled), 0, NULL},
    {"taken", T_DOUBLE, offsetof(Request, taken), 0, NULL},
    {"stepped", T_DOUBLE, offsetof(Request, stepped), 0, NULL},
    {"queued", T_DOUBLE, offsetof(Request, queued), 0, NULL},
    {"stalled", T_DOUBLE, offsetof(Request, stalled), 0, NULL},
    {"pooled", T_DOUBLE, offsetof(Request, pooled), 0, NULL},
    {"responded", T_DOUBLE, offsetof(Request, responded), 0, NULL},
    {"settled", T_DOUBLE, offsetof(Request, settled), 0, NULL},
    {"steps", T_PYSSIZET, offsetof(Request, steps), 0, NULL},
    {"serial", T_PYSSIZET, offsetof(Request, serial), READONLY, NULL},
    {"door", T_OBJECT_EX, offsetof(Request, door), 0, NULL},
    {"outer", T_OBJECT_EX, offsetof(Request, outer), 0, NULL},
    {"row", T_OBJECT_EX, offsetof(Request, row), 0, NULL},
    {"routed", T_OBJECT, offsetof(Request, routed), 0, NULL},
    {"scope", T_OBJECT_EX, offsetof(Request, scope), 0, NULL},
    {"span", T_OBJECT, offsetof(Request, span), 0, NULL},
    {"waits", T_OBJECT, offsetof(Request, waits), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef request_getset[] = {
    {"times", (getter)request_times, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef request_methods[] = {
    {"add_long_step", (PyCFunction)request_add_long_step, METH_O, NULL},
    {"take_steps", (PyCFunction)request_take_steps, METH_O, NULL},
    {"forget_long_steps", (PyCFunction)request_forget_long_steps, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject RequestType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.Request",
    .tp_basicsize = sizeof(Request),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = request_new,
    .tp_dealloc = (destructor)request_dealloc,
    .tp_traverse = (traverseproc)request_traverse,
    .tp_clear = (inquiry)request_clear,
    .tp_members = request_members,
    .tp_getset = request_getset,
    .tp_methods = request_methods,
};

/* ---------------------------------------------------------------- begin(door, scope) */

/* Returns a new request, which is the current one in the caller's context from now on. */
Request *
begin_request(PyObject *door, PyObject *scope)
{
    PyObject *outer = NULL, *token;
    Request *request = (Request *)request_new(NULL, NULL, NULL);
    if (request == NULL || PyContextVar_Get(wired.variable, NULL, &outer) < 0) {
        Py_XDECREF(request);
        return NULL;
    }
    int nested = outer != NULL && is_request(outer) && is_there(((Request *)outer)->scope);
    request->outer = Py_NewRef(nested ? outer : Py_None);
    Py_XDECREF(outer);
    request->door = Py_NewRef(door);
    request->scope = Py_NewRef(scope);
    request->serial = ++serials;
    request->started = request->stepped = read_clock(); /* before any thread can find it */
    token = PyContextVar_Set(wired.variable, (PyObject *)request);
    if (token == NULL) {
        Py_DECREF(request);
        return NULL;
    }
    Py_DECREF(token);
    return request;
}

PyObject *
begin(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 2 || wired.variable == NULL) {
        PyErr_SetString(count != 2 ? PyExc_TypeError : PyExc_RuntimeError,
                        count != 2 ? "begin takes the middleware and the scope"
                                   : "loopwatch.core.request must be imported first");
        return NULL;
    }
    return (PyObject *)begin_request(args[0], args[1]);
}
