/* The compiled twin of what runs at every step: the same results as the Python it stands for.

   In Python                                     here
   loopwatch/request.py       RequestNumbers     RequestNumbers, begin
   loopwatch/probe/python_steps.py               answering
   loopwatch/probe/pulse.py   PulseNumbers       PulseNumbers
   loopwatch/ledger/request_row.py RowNumbers    RowNumbers
   loopwatch/ledger/requests.py                  add_to_known, add_request
   loopwatch/ledger/steps.py     StepNumbers     StepNumbers
   loopwatch/probe/python_steps.py               timed_run, timed_select, drive

   Rule: a fast step is arithmetic on two structs. Whatever is long, rare or undecided goes to the
   Python functions that `wire` was given, the same for both twins. Errors of theirs are theirs to
   catch; what still comes out of them (a KeyboardInterrupt, say) propagates as it does in Python.

   Everything is guarded by the GIL, and the wiring is one a process: another interpreter is refused
   at import, and a build without the GIL does not compile. Either gets the Python twin. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <string.h>
#include <structmember.h>

#if defined(PYPY_VERSION) || defined(Py_GIL_DISABLED) || PY_VERSION_HEX < 0x030B0000
#error "loopwatch._speedups is for CPython 3.11 or newer with the GIL: elsewhere Python does its work"
#endif

#define ABI 4 /* to be raised with every change that loopwatch/speedups.py must not take for another */

#define EDGES 64
#define RECENT 1024 /* requests of a row that are remembered */
#define FEW 64      /* of those, that have room from the first on */
#define PARTS 5     /* when it arrived; its latency, queued, running, stalled */

static struct {
    PyObject *clock;    /* () -> float, s */
    PyObject *variable; /* ContextVar of the request */
    PyTypeObject *request_type;
    PyTypeObject *task_type;
    PyTypeObject *handle_type;
    PyObject *end_long_step;        /* (pulse, handle, request or None, took) */
    PyObject *end_other_step;       /* (pulse, handle, took) */
    PyObject *share_step;           /* (pulse, handle, request or None, took) */
    PyObject *end_long_driven_step; /* (pulse, request, took) */
    PyObject *no_times;             /* () */
    Py_ssize_t crowd;               /* ready callbacks from which every step goes the slow way */
    double edges[EDGES];            /* of the histogram of latencies, s */
    Py_ssize_t edge_count;
    double slow;                    /* s of latency from which a request keeps its span */
} wired;

/* Where a handle keeps what we read; 0 if it has no such slot, and is to be asked. */
static Py_ssize_t at_callback, at_context, at_loop;

static PyObject *str_add, *str_callback, *str_close, *str_context, *str_endpoint, *str_loop,
    *str_body, *str_method, *str_more_body, *str_note, *str_start, *str_throw, *str_type;

/* ---------------------------------------------------------------- what both twins write */

typedef struct {
    PyObject_HEAD
    double mark, tick, idle, limit, other_seconds, behind;
    Py_ssize_t other_steps;
    char polling, drives;
    PyObject *entered, *turn; /* a request, or None */
    PyObject *long_tick;
    PyObject *span; /* () -> the current span's ids, or None; None: nobody asks */
} Pulse;

typedef struct {
    PyObject_HEAD
    double started, ended, seconds, queued, stalled, pooled, responded, settled;
    double taken, charged, charged_background, charged_stalled, stepped;
    Py_ssize_t steps;
    PyObject *door, *outer, *row, *scope, *times;
    PyObject *span, *waits; /* ids, a list; or NULL */
} Request;

typedef struct {
    PyObject_HEAD
    double seconds;
    Py_ssize_t steps;
} StepRow;

typedef struct {
    PyObject_HEAD
    double running, time, queued, stalled, pooled, background;
    PyObject *counts, *door, *method, *steps, *sums;
    double *recent; /* `PARTS` of each of the latest requests, in a ring of `room` */
    Py_ssize_t room, finished;
} RequestRow;

static PyTypeObject PulseType, RequestType, RequestRowType, StepRowType;

static int
pulse_traverse(Pulse *self, visitproc visit, void *arg)
{
    Py_VISIT(self->entered);
    Py_VISIT(self->turn);
    Py_VISIT(self->long_tick);
    Py_VISIT(self->span);
    return 0;
}

static int
pulse_clear(Pulse *self)
{
    Py_CLEAR(self->entered);
    Py_CLEAR(self->turn);
    Py_CLEAR(self->long_tick);
    Py_CLEAR(self->span);
    return 0;
}

static void
pulse_dealloc(Pulse *self)
{
    PyObject_GC_UnTrack(self);
    pulse_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef pulse_members[] = {
    {"mark", T_DOUBLE, offsetof(Pulse, mark), 0, NULL},
    {"tick", T_DOUBLE, offsetof(Pulse, tick), 0, NULL},
    {"idle", T_DOUBLE, offsetof(Pulse, idle), 0, NULL},
    {"limit", T_DOUBLE, offsetof(Pulse, limit), 0, NULL},
    {"other_seconds", T_DOUBLE, offsetof(Pulse, other_seconds), 0, NULL},
    {"other_steps", T_PYSSIZET, offsetof(Pulse, other_steps), 0, NULL},
    {"behind", T_DOUBLE, offsetof(Pulse, behind), 0, NULL},
    {"drives", T_BOOL, offsetof(Pulse, drives), 0, NULL},
    {"polling", T_BOOL, offsetof(Pulse, polling), 0, NULL},
    {"entered", T_OBJECT, offsetof(Pulse, entered), 0, NULL},
    {"turn", T_OBJECT, offsetof(Pulse, turn), 0, NULL},
    {"long_tick", T_OBJECT, offsetof(Pulse, long_tick), 0, NULL},
    {"span", T_OBJECT, offsetof(Pulse, span), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject PulseType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.PulseNumbers",
    .tp_basicsize = sizeof(Pulse),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)pulse_dealloc,
    .tp_traverse = (traverseproc)pulse_traverse,
    .tp_clear = (inquiry)pulse_clear,
    .tp_members = pulse_members,
};

static int
request_traverse(Request *self, visitproc visit, void *arg)
{
    Py_VISIT(self->door);
    Py_VISIT(self->outer);
    Py_VISIT(self->row);
    Py_VISIT(self->scope);
    Py_VISIT(self->times);
    Py_VISIT(self->span);
    Py_VISIT(self->waits);
    return 0;
}

static int
request_clear(Request *self)
{
    Py_CLEAR(self->door);
    Py_CLEAR(self->outer);
    Py_CLEAR(self->row);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->times);
    Py_CLEAR(self->span);
    Py_CLEAR(self->waits);
    return 0;
}

static void
request_dealloc(Request *self)
{
    PyObject_GC_UnTrack(self);
    request_clear(self);
    Py_TYPE(self)->tp_free(self);
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
    {"door", T_OBJECT_EX, offsetof(Request, door), 0, NULL},
    {"outer", T_OBJECT_EX, offsetof(Request, outer), 0, NULL},
    {"row", T_OBJECT_EX, offsetof(Request, row), 0, NULL},
    {"scope", T_OBJECT_EX, offsetof(Request, scope), 0, NULL},
    {"times", T_OBJECT_EX, offsetof(Request, times), 0, NULL},
    {"span", T_OBJECT, offsetof(Request, span), 0, NULL},
    {"waits", T_OBJECT, offsetof(Request, waits), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject RequestType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.RequestNumbers",
    .tp_basicsize = sizeof(Request),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)request_dealloc,
    .tp_traverse = (traverseproc)request_traverse,
    .tp_clear = (inquiry)request_clear,
    .tp_members = request_members,
};

/* A row of steps holds no objects here; its subclass in Python adds some. */
static PyMemberDef step_row_members[] = {
    {"seconds", T_DOUBLE, offsetof(StepRow, seconds), 0, NULL},
    {"steps", T_PYSSIZET, offsetof(StepRow, steps), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject StepRowType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.StepNumbers",
    .tp_basicsize = sizeof(StepRow),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_members = step_row_members,
};

static int
row_traverse(RequestRow *self, visitproc visit, void *arg)
{
    Py_VISIT(self->counts);
    Py_VISIT(self->door);
    Py_VISIT(self->method);
    Py_VISIT(self->steps);
    Py_VISIT(self->sums);
    return 0;
}

static int
row_clear(RequestRow *self)
{
    Py_CLEAR(self->counts);
    Py_CLEAR(self->door);
    Py_CLEAR(self->method);
    Py_CLEAR(self->steps);
    Py_CLEAR(self->sums);
    return 0;
}

static void
row_dealloc(RequestRow *self)
{
    PyObject_GC_UnTrack(self);
    row_clear(self);
    PyMem_Free(self->recent);
    Py_TYPE(self)->tp_free(self);
}

/* Adds a request to the ring, which grows as it is needed; what has no room is left out. */
static void
add_to_recent(RequestRow *row, const double *parts)
{
    Py_ssize_t at = row->finished % RECENT;
    if (at >= row->room) {
        Py_ssize_t room = row->room ? 4 * row->room : FEW;
        room = room < RECENT ? room : RECENT;
        double *larger = PyMem_Realloc(row->recent, room * PARTS * sizeof(double));
        if (larger == NULL) {
            return;
        }
        row->recent = larger;
        row->room = room;
    }
    memcpy(row->recent + at * PARTS, parts, PARTS * sizeof(double));
    row->finished++;
}

/* recent() -> the parts of the latest requests, oldest first, as bytes of doubles */
static PyObject *
row_recent(RequestRow *self, PyObject *unused)
{
    (void)unused;
    Py_ssize_t size = PARTS * sizeof(double), at = self->finished % RECENT;
    if (self->finished <= RECENT) {
        return PyBytes_FromStringAndSize((char *)self->recent, self->finished * size);
    }
    PyObject *found = PyBytes_FromStringAndSize(NULL, RECENT * size);
    if (found != NULL) {
        char *copy = PyBytes_AS_STRING(found);
        memcpy(copy, self->recent + at * PARTS, (RECENT - at) * size);
        memcpy(copy + (RECENT - at) * size, self->recent, at * size);
    }
    return found;
}

static PyMethodDef row_methods[] = {
    {"recent", (PyCFunction)row_recent, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef row_members[] = {
    {"running", T_DOUBLE, offsetof(RequestRow, running), 0, NULL},
    {"time", T_DOUBLE, offsetof(RequestRow, time), 0, NULL},
    {"queued", T_DOUBLE, offsetof(RequestRow, queued), 0, NULL},
    {"stalled", T_DOUBLE, offsetof(RequestRow, stalled), 0, NULL},
    {"pooled", T_DOUBLE, offsetof(RequestRow, pooled), 0, NULL},
    {"background", T_DOUBLE, offsetof(RequestRow, background), 0, NULL},
    {"finished", T_PYSSIZET, offsetof(RequestRow, finished), 0, NULL},
    {"counts", T_OBJECT_EX, offsetof(RequestRow, counts), 0, NULL},
    {"door", T_OBJECT_EX, offsetof(RequestRow, door), 0, NULL},
    {"method", T_OBJECT_EX, offsetof(RequestRow, method), 0, NULL},
    {"steps", T_OBJECT_EX, offsetof(RequestRow, steps), 0, NULL},
    {"sums", T_OBJECT_EX, offsetof(RequestRow, sums), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject RequestRowType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.RowNumbers",
    .tp_basicsize = sizeof(RequestRow),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)row_dealloc,
    .tp_traverse = (traverseproc)row_traverse,
    .tp_clear = (inquiry)row_clear,
    .tp_members = row_members,
    .tp_methods = row_methods,
};

/* ---------------------------------------------------------------- small ways */

/* Says whether both wirings were done; else an exception is set. */
static int
is_wired(void)
{
    if (wired.variable == NULL || wired.end_long_step == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "loopwatch.probe.steps must be imported first");
        return 0;
    }
    return 1;
}

static inline int
is_request(PyObject *object)
{
    return Py_TYPE(object) == wired.request_type;
}

/* Reads the clock into *now; -1 with an exception set if it cannot be read. */
static int
read_clock(double *now)
{
    PyObject *read = PyObject_CallNoArgs(wired.clock);
    if (read == NULL) {
        return -1;
    }
    *now = PyFloat_AsDouble(read);
    Py_DECREF(read);
    return *now == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* Sets *slot to a new reference of `value`. */
static inline void
put(PyObject **slot, PyObject *value)
{
    PyObject *before = *slot;
    *slot = Py_NewRef(value);
    Py_XDECREF(before);
}

static inline int
is_there(PyObject *object)
{
    return object != NULL && object != Py_None;
}

/* Calls a slow way of Python's, with `took` as the last argument; -1 if it raised. */
static int
slow_way(PyObject *function, PyObject *first, PyObject *second, PyObject *third, double took)
{
    PyObject *seconds = PyFloat_FromDouble(took);
    PyObject *arguments[4] = {first, second, third, seconds};
    size_t count = 3;
    if (seconds == NULL) {
        return -1;
    }
    if (third == NULL) {
        arguments[2] = seconds;
    }
    else {
        count = 4;
    }
    PyObject *done = PyObject_Vectorcall(function, arguments, count, NULL);
    Py_DECREF(seconds);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Counts a short step of a request, which ends now. */
static inline void
add_step(Request *request, double took, double now)
{
    request->stepped = now;
    request->steps += 1;
    request->seconds += took;
}

/* ---------------------------------------------------------------- begin(door, scope) */

static PyObject *
begin(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 2 || wired.request_type == NULL) {
        PyErr_SetString(PyExc_TypeError, "begin takes the middleware and the scope");
        return NULL;
    }
    PyObject *outer = NULL, *token = NULL;
    Request *request = (Request *)wired.request_type->tp_alloc(wired.request_type, 0);
    if (request == NULL || PyContextVar_Get(wired.variable, NULL, &outer) < 0) {
        goto failed;
    }
    if (outer != NULL && is_request(outer)) {
        PyObject *scope = ((Request *)outer)->scope;
        request->outer = Py_NewRef(scope != NULL ? (scope != Py_None ? outer : Py_None) : Py_None);
    }
    else {
        request->outer = Py_NewRef(Py_None);
    }
    Py_CLEAR(outer);
    request->door = Py_NewRef(args[0]);
    request->scope = Py_NewRef(args[1]);
    request->times = Py_NewRef(wired.no_times);
    if (read_clock(&request->started) < 0) {
        goto failed;
    }
    request->stepped = request->started;
    token = PyContextVar_Set(wired.variable, (PyObject *)request);
    if (token == NULL) {
        goto failed;
    }
    Py_DECREF(token);
    return (PyObject *)request;
failed:
    Py_XDECREF(outer);
    Py_XDECREF(request);
    return NULL;
}

/* ---------------------------------------------------------------- the ledger: end of a request */

static int
as_row(PyObject *object, void *result)
{
    if (!PyObject_TypeCheck(object, &RequestRowType)) {
        PyErr_Format(PyExc_TypeError, "must be a RequestRow, got %R", object);
        return 0;
    }
    *(RequestRow **)result = (RequestRow *)object;
    return 1;
}

/* Adds 1 to a list of whole numbers and `value` to a list of floats, at the bucket of `value`. */
static int
add_to_bucket(PyObject *counts, PyObject *sums, double value)
{
    Py_ssize_t bucket = 0;
    while (bucket < wired.edge_count && wired.edges[bucket] < value) {
        bucket++;
    }
    if (counts == NULL || !PyList_CheckExact(counts) || bucket >= PyList_GET_SIZE(counts) ||
        sums == NULL || !PyList_CheckExact(sums) || bucket >= PyList_GET_SIZE(sums)) {
        PyErr_SetString(PyExc_TypeError, "counts and sums must be lists with a place a bucket");
        return -1;
    }
    Py_ssize_t count = PyLong_AsSsize_t(PyList_GET_ITEM(counts, bucket));
    double sum = PyFloat_AsDouble(PyList_GET_ITEM(sums, bucket));
    if ((count == -1 || sum == -1.0) && PyErr_Occurred()) {
        return -1;
    }
    PyObject *new_count = PyLong_FromSsize_t(count + 1), *new_sum = PyFloat_FromDouble(sum + value);
    if (new_count == NULL || new_sum == NULL) {
        Py_XDECREF(new_count);
        Py_XDECREF(new_sum);
        return -1;
    }
    PyList_SetItem(counts, bucket, new_count);
    PyList_SetItem(sums, bucket, new_sum);
    return 0;
}

/* Adds a request's long step to those it has. */
static int
add_long_step(Request *request, double took)
{
    PyObject *times = request->times ? PySequence_List(request->times) : PyList_New(0);
    PyObject *seconds = PyFloat_FromDouble(took);
    int failed = times == NULL || seconds == NULL ? -1 : PyList_Append(times, seconds);
    Py_XDECREF(seconds);
    if (failed) {
        Py_XDECREF(times);
        return -1;
    }
    Py_XSETREF(request->times, times);
    return 0;
}

/* Adds a request that ends to its row, and its last step, if that is any. */
static int
add_to_row(RequestRow *row, Request *request, double now, double step)
{
    if (step >= wired.edges[0]) {
        if (add_long_step(request, step) < 0) {
            return -1;
        }
    }
    else if (step != 0.0) {
        add_step(request, step, now);
    }
    double running = request->seconds;
    put(&request->row, (PyObject *)row);
    put(&request->scope, Py_None);
    request->ended = now;
    if (row->steps == NULL || !PyObject_TypeCheck(row->steps, &StepRowType)) {
        PyErr_SetString(PyExc_TypeError, "steps must be a StepRow");
        return -1;
    }
    ((StepRow *)row->steps)->steps += request->steps;
    ((StepRow *)row->steps)->seconds += request->seconds;
    if (request->times != NULL && request->times != wired.no_times) { /* long ones */
        PyObject *sum = PyObject_CallMethodOneArg(row->steps, str_add, request->times);
        if (sum == NULL) {
            return -1;
        }
        running += PyFloat_AsDouble(sum);
        Py_DECREF(sum);
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    double end = request->responded != 0.0 ? request->responded : now;
    double age = end - request->started, latency = age + request->queued;
    double whole = request->taken + running;
    double own = request->responded != 0.0 && request->settled < whole ? request->settled : whole;
    own = own < age ? own : age;
    request->settled = own;
    double rest = age - own > 0.0 ? age - own : 0.0;
    request->stalled = request->stalled < rest ? request->stalled : rest;
    rest -= request->stalled;
    request->pooled = request->pooled < rest ? request->pooled : rest;
    if (add_to_bucket(row->counts, row->sums, latency) < 0) {
        return -1;
    }
    row->running += running;
    row->background += whole - own - request->charged_background;
    row->time += latency - request->charged;
    row->queued += request->charged != 0.0 ? 0.0 : request->queued;
    row->stalled += request->stalled - request->charged_stalled;
    row->pooled += request->pooled;
    double parts[PARTS] = {request->started - request->queued, latency, request->queued, own,
                           request->stalled};
    add_to_recent(row, parts);
    if (is_there(request->waits) || is_there(request->span)) {
        PyObject *done = PyObject_CallMethodOneArg((PyObject *)row, str_note, (PyObject *)request);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    return 0;
}

/* add_request(row, request, now, step) */
static PyObject *
add_request(PyObject *module, PyObject *args)
{
    (void)module;
    RequestRow *row;
    PyObject *request;
    double now, step;
    if (!PyArg_ParseTuple(args, "O&O!dd:add_request", as_row, &row, &RequestType, &request, &now,
                          &step)) {
        return NULL;
    }
    int failed = add_to_row(row, (Request *)request, now, step);
    return failed ? NULL : Py_NewRef(Py_None);
}

static inline int
same_text(PyObject *one, PyObject *other)
{
    if (one == other) { /* interned, as methods are */
        return 1;
    }
    return one != NULL && PyUnicode_Check(one) && PyUnicode_Check(other) &&
           PyUnicode_Compare(one, other) == 0;
}

/* Gives the row of a request's endpoint, borrowed; NULL, without an exception, if unknown. */
static RequestRow *
known_row(PyObject *rows, Request *request)
{
    PyObject *scope = request->scope;
    if (scope == NULL || !PyDict_CheckExact(scope)) {
        return NULL;
    }
    PyObject *endpoint = Py_XNewRef(PyDict_GetItemWithError(scope, str_endpoint));
    PyObject *method = Py_XNewRef(PyDict_GetItemWithError(scope, str_method));
    PyObject *found = NULL;
    if (endpoint != NULL && method != NULL) {
        found = PyDict_GetItemWithError(rows, endpoint);
    }
    if (found == NULL) {
        PyErr_Clear(); /* an endpoint that cannot be hashed */
    }
    else if (!PyObject_TypeCheck(found, &RequestRowType) ||
             ((RequestRow *)found)->door != request->door ||
             !same_text(((RequestRow *)found)->method, method)) {
        found = NULL;
    }
    Py_XDECREF(endpoint);
    Py_XDECREF(method);
    return (RequestRow *)found;
}

/* add_to_known(rows, request, now, step) -> whether its row was among those of endpoints */
static PyObject *
add_to_known(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 4 || !PyDict_CheckExact(args[0]) || !is_request(args[1]) ||
        !PyFloat_Check(args[2]) || !PyFloat_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError, "add_to_known takes rows, a request, and two floats");
        return NULL;
    }
    double now = PyFloat_AS_DOUBLE(args[2]), step = PyFloat_AS_DOUBLE(args[3]);
    Request *request = (Request *)args[1];
    RequestRow *row = known_row(args[0], request);
    if (row == NULL) {
        Py_RETURN_FALSE;
    }
    Py_INCREF(row);
    int failed = add_to_row(row, request, now, step);
    Py_DECREF(row);
    return failed < 0 ? NULL : Py_NewRef(Py_True);
}

/* finish(pulse, rows, request) -> whether it was counted; if not, nothing was done */
static PyObject *
finish(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 3 || !PyObject_TypeCheck(args[0], &PulseType) || !PyDict_CheckExact(args[1]) ||
        !is_request(args[2])) {
        Py_RETURN_FALSE;
    }
    Pulse *pulse = (Pulse *)args[0];
    Request *request = (Request *)args[2];
    RequestRow *row = pulse->limit == 0.0 ? NULL : known_row(args[1], request);
    double step = 0.0, now = pulse->mark; /* a driven step has just been marked */
    if (row == NULL || (!pulse->drives && read_clock(&now) < 0)) {
        PyErr_Clear();
        Py_RETURN_FALSE;
    }
    if (!pulse->drives) {
        step = now - (pulse->mark > request->started ? pulse->mark : request->started);
    }
    Py_INCREF(row);
    if (add_to_row(row, request, now, step) < 0) {
        PyErr_WriteUnraisable((PyObject *)row);
    }
    Py_DECREF(row);
    Py_RETURN_TRUE;
}

static PyObject *
wire_ledger(PyObject *module, PyObject *edges)
{
    (void)module;
    if (!PyTuple_Check(edges) || PyTuple_GET_SIZE(edges) > EDGES) {
        PyErr_Format(PyExc_TypeError, "edges must be a tuple of at most %d", EDGES);
        return NULL;
    }
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(edges); at++) {
        wired.edges[at] = PyFloat_AsDouble(PyTuple_GET_ITEM(edges, at));
    }
    wired.edge_count = PyTuple_GET_SIZE(edges);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/* ---------------------------------------------------------------- timed_run */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *run;    /* asyncio.Handle._run as it was */
    PyObject *pulses; /* dict of pulses by loop */
    PyObject *only;   /* the loop, if there is but one */
    PyObject *its_pulse;
} TimedRun;

static PyTypeObject TimedRunType;

/* Returns a handle's attribute. */
static inline PyObject *
of_handle(PyObject *handle, Py_ssize_t at, PyObject *name)
{
    if (at != 0 && PyObject_TypeCheck(handle, wired.handle_type)) {
        PyObject *found = *(PyObject **)((char *)handle + at);
        if (found != NULL) {
            return Py_NewRef(found);
        }
    }
    return PyObject_GetAttr(handle, name);
}

/* Returns where the slot `name` of a type is; 0 if that is no plain slot. */
static Py_ssize_t
slot_of(PyTypeObject *type, PyObject *name)
{
    Py_ssize_t at = 0;
    PyObject *descriptor = PyObject_GetAttr((PyObject *)type, name);
    if (descriptor == NULL) {
        PyErr_Clear();
    }
    else if (Py_IS_TYPE(descriptor, &PyMemberDescr_Type)) {
        PyMemberDescrObject *member = (PyMemberDescrObject *)descriptor;
        if (member->d_member->type == T_OBJECT_EX && PyType_IsSubtype(type, member->d_common.d_type)) {
            at = member->d_member->offset;
        }
    }
    Py_XDECREF(descriptor);
    return at;
}

/* Gives the pulse of a handle's loop in *pulse, NULL if that is not watched. */
static int
find_pulse(TimedRun *self, PyObject *handle, PyObject **pulse)
{
    PyObject *loop = of_handle(handle, at_loop, str_loop);
    *pulse = NULL;
    if (loop == NULL) {
        return -1;
    }
    *pulse = loop == self->only ? self->its_pulse : PyDict_GetItemWithError(self->pulses, loop);
    Py_XINCREF(*pulse);
    Py_DECREF(loop);
    return *pulse == NULL && PyErr_Occurred() ? -1 : 0;
}

/* Gives the request that a handle's context knows in *owner, NULL if it knows none. */
static int
find_owner(PyObject *handle, PyObject **owner)
{
    PyObject *context = of_handle(handle, at_context, str_context);
    if (context == NULL) {
        return -1;
    }
    *owner = NULL;
    int known = PySequence_Contains(context, wired.variable); /* a miss makes no KeyError */
    if (known > 0) {
        *owner = PyObject_GetItem(context, wired.variable);
        known = *owner == NULL ? -1 : known;
    }
    Py_DECREF(context);
    if (*owner != NULL && !is_request(*owner)) {
        Py_CLEAR(*owner);
    }
    return known < 0 ? -1 : 0;
}

/* Counts a short step that no request owns. */
static int
add_other(Pulse *pulse, PyObject *handle, double took)
{
    PyObject *callback = of_handle(handle, at_callback, str_callback);
    if (callback == NULL) {
        return -1;
    }
    int plain = PyMethod_Check(callback); /* a transport's, most likely, or a set's `discard` */
    if (!plain && PyCFunction_CheckExact(callback)) {
        PyObject *bound = PyCFunction_GET_SELF(callback);
        plain = bound == NULL || Py_TYPE(bound) != wired.task_type;
    }
    Py_DECREF(callback);
    if (!plain) {
        return slow_way(wired.end_other_step, (PyObject *)pulse, handle, NULL, took);
    }
    pulse->other_steps += 1;
    pulse->other_seconds += took;
    return 0;
}

static int
end_step(Pulse *pulse, PyObject *handle)
{
    PyObject *request;
    double now;
    int failed;
    if (read_clock(&now) < 0) {
        return -1;
    }
    double took = now - pulse->mark;
    pulse->mark = now;
    if (find_owner(handle, &request) < 0) {
        return -1;
    }
    if (pulse->entered != NULL && pulse->entered != Py_None && pulse->entered != request) {
        PyObject *owner = request != NULL ? request : Py_None;
        failed = slow_way(wired.share_step, (PyObject *)pulse, handle, owner, took);
    }
    else {
        if (pulse->entered != NULL) {
            Py_CLEAR(pulse->entered);
        }
        if (took >= pulse->limit) {
            PyObject *owner = request != NULL ? request : Py_None;
            failed = slow_way(wired.end_long_step, (PyObject *)pulse, handle, owner, took);
        }
        else if (request != NULL) {
            add_step((Request *)request, took, now);
            failed = 0;
        }
        else {
            failed = add_other(pulse, handle, took);
        }
    }
    Py_XDECREF(request);
    return failed;
}

static PyObject *
timed_run_call(TimedRun *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *pulse;
    PyObject *done = PyObject_Vectorcall(self->run, args, count, names);
    if (done == NULL || PyVectorcall_NARGS(count) < 1) {
        return done;
    }
    int failed = find_pulse(self, args[0], &pulse);
    if (pulse != NULL) {
        failed = end_step((Pulse *)pulse, args[0]);
        Py_DECREF(pulse);
    }
    if (failed) {
        Py_CLEAR(done);
    }
    return done;
}

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
    Py_VISIT(self->pulses);
    Py_VISIT(self->only);
    Py_VISIT(self->its_pulse);
    return 0;
}

static int
timed_run_clear(TimedRun *self)
{
    Py_CLEAR(self->only);
    Py_CLEAR(self->its_pulse);
    return 0; /* the rest must stay for as long as it can be called; the dict is cleared */
}

static void
timed_run_dealloc(TimedRun *self)
{
    PyObject_GC_UnTrack(self);
    timed_run_clear(self);
    Py_CLEAR(self->run);
    Py_CLEAR(self->pulses);
    PyObject_GC_Del(self);
}

static PyMemberDef timed_run_members[] = {
    {"__wrapped__", T_OBJECT, offsetof(TimedRun, run), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject TimedRunType = {
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
};

static PyObject *
timed_run(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *run, *pulses, *loop, *pulse;
    int eager; /* every step looks for a request that entered it, here that costs nothing */
    Py_ssize_t at = 0;
    if (!PyArg_ParseTuple(args, "OO!p:timed_run", &run, &PyDict_Type, &pulses, &eager)) {
        return NULL;
    }
    while (PyDict_Next(pulses, &at, &loop, &pulse)) {
        if (!PyObject_TypeCheck(pulse, &PulseType)) {
            PyErr_Format(PyExc_TypeError, "pulses must be of Pulse, got %R", pulse);
            return NULL;
        }
    }
    TimedRun *self = is_wired() ? PyObject_GC_New(TimedRun, &TimedRunType) : NULL;
    if (self == NULL) {
        return NULL;
    }
    self->call = (vectorcallfunc)timed_run_call;
    self->run = Py_NewRef(run);
    self->pulses = Py_NewRef(pulses);
    self->only = self->its_pulse = NULL;
    at = 0;
    if (PyDict_GET_SIZE(pulses) == 1 && PyDict_Next(pulses, &at, &loop, &pulse)) {
        self->only = Py_NewRef(loop);
        self->its_pulse = Py_NewRef(pulse);
    }
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* ---------------------------------------------------------------- timed_select */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    Pulse *pulse;
    PyObject *select;
    PyObject *ready; /* the loop's deque of callbacks, NULL if it has none */
} TimedSelect;

static PyTypeObject TimedSelectType;

/* Says whether a poll does not wait: 1, 0, or -1. */
static int
is_zero(PyObject *timeout)
{
    if (timeout == NULL || timeout == Py_None) {
        return 0;
    }
    if (PyFloat_CheckExact(timeout)) {
        return PyFloat_AS_DOUBLE(timeout) == 0.0;
    }
    int truth = PyObject_IsTrue(timeout);
    return truth < 0 ? -1 : !truth;
}

static int
end_tick(Pulse *pulse)
{
    double took = pulse->mark - pulse->tick;
    if (took >= pulse->limit && pulse->long_tick != NULL) {
        PyObject *seconds = PyFloat_FromDouble(took);
        PyObject *done = seconds ? PyObject_CallOneArg(pulse->long_tick, seconds) : NULL;
        Py_XDECREF(seconds);
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
    }
    pulse->tick = pulse->mark;
    return 0;
}

/* Polls, and takes the time for idle; what the poll raises is kept. */
static PyObject *
wait_idle(TimedSelect *self, PyObject *const *args, size_t count, PyObject *names)
{
    Pulse *pulse = self->pulse;
    double back, end = pulse->mark;
    PyObject *type = NULL, *value = NULL, *trace = NULL;
    pulse->polling = 1;
    PyObject *events = PyObject_Vectorcall(self->select, args, count, names);
    if (events == NULL) {
        PyErr_Fetch(&type, &value, &trace);
    }
    if (read_clock(&back) < 0) {
        PyErr_Clear();
        back = end;
    }
    if (events == NULL) {
        PyErr_Restore(type, value, trace);
    }
    pulse->mark = pulse->tick = back;
    pulse->idle += back - end;
    pulse->polling = 0;
    return events;
}

static PyObject *
timed_select_call(TimedSelect *self, PyObject *const *args, size_t count, PyObject *names)
{
    int has = PyVectorcall_NARGS(count) > 0 || (names != NULL && PyTuple_GET_SIZE(names) > 0);
    int zero = is_zero(has ? args[0] : NULL);
    if (zero < 0 || end_tick(self->pulse) < 0) {
        return NULL;
    }
    PyObject *events = zero ? PyObject_Vectorcall(self->select, args, count, names)
                            : wait_idle(self, args, count, names);
    if (events != NULL && self->ready != NULL) {
        Py_ssize_t ready = PyObject_Size(self->ready);
        if (ready < 0) {
            Py_DECREF(events);
            return NULL;
        }
        if (ready > wired.crowd) {
            self->pulse->limit = 0.0;
        }
    }
    return events;
}

static int
timed_select_traverse(TimedSelect *self, visitproc visit, void *arg)
{
    Py_VISIT(self->pulse);
    Py_VISIT(self->select);
    Py_VISIT(self->ready);
    return 0;
}

static void
timed_select_dealloc(TimedSelect *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->pulse);
    Py_CLEAR(self->select);
    Py_CLEAR(self->ready);
    PyObject_GC_Del(self);
}

static PyTypeObject TimedSelectType = { /* no tp_clear: a selector's dict clears any cycle */
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.TimedSelect",
    .tp_basicsize = sizeof(TimedSelect),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_vectorcall_offset = offsetof(TimedSelect, call),
    .tp_call = PyVectorcall_Call,
    .tp_dealloc = (destructor)timed_select_dealloc,
    .tp_traverse = (traverseproc)timed_select_traverse,
};

static PyObject *
timed_select(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *pulse, *select, *ready;
    if (!PyArg_ParseTuple(args, "O!OO:timed_select", &PulseType, &pulse, &select, &ready)) {
        return NULL;
    }
    TimedSelect *self = is_wired() ? PyObject_GC_New(TimedSelect, &TimedSelectType) : NULL;
    if (self == NULL) {
        return NULL;
    }
    self->call = (vectorcallfunc)timed_select_call;
    self->pulse = (Pulse *)Py_NewRef(pulse);
    self->select = Py_NewRef(select);
    self->ready = ready == Py_None ? NULL : Py_NewRef(ready);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* ---------------------------------------------------------------- drive */

typedef struct {
    PyObject_HEAD
    Pulse *pulse;
    Request *request;
    PyObject *coroutine; /* NULL once it has ended */
    char begun;
} Drive;

static PyTypeObject DriveType;

/* Counts a step that has ended, without an exception. */
static int
count_driven_step(Drive *self, double started)
{
    Pulse *pulse = self->pulse;
    double now;
    put(&pulse->turn, Py_None);
    if (read_clock(&now) < 0) {
        return -1;
    }
    pulse->mark = now;
    if (now - started < pulse->limit) {
        add_step(self->request, now - started, now);
        return 0;
    }
    return slow_way(wired.end_long_driven_step, (PyObject *)pulse, (PyObject *)self->request, NULL,
                    now - started);
}

/* Counts a step that has ended; an exception of the app's that is set stays set. */
static int
end_driven_step(Drive *self, double started, int raised)
{
    PyObject *type, *value, *trace;
    if (!raised) {
        return count_driven_step(self, started);
    }
    PyErr_Fetch(&type, &value, &trace);
    if (count_driven_step(self, started) < 0) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
        return -1;
    }
    PyErr_Restore(type, value, trace);
    return 0;
}

/* Marks the beginning of a step; gives the coroutine, and when the step began. */
static PyObject *
begin_driven_step(Drive *self, double *started)
{
    if (self->begun) {
        if (read_clock(started) < 0) {
            return NULL;
        }
    }
    else {
        *started = self->request->started;
        self->begun = 1;
    }
    put(&self->pulse->turn, (PyObject *)self->request);
    self->pulse->mark = *started;
    return Py_NewRef(self->coroutine);
}

static PySendResult
drive_resume(Drive *self, PyObject *argument, PyObject **result)
{
    double started;
    *result = NULL;
    if (self->coroutine == NULL) { /* as a generator that has ended */
        *result = Py_NewRef(Py_None);
        return PYGEN_RETURN;
    }
    PyObject *coroutine = begin_driven_step(self, &started);
    if (coroutine == NULL) {
        return PYGEN_ERROR;
    }
    PySendResult sent = PyIter_Send(coroutine, argument, result);
    Py_DECREF(coroutine);
    if (sent != PYGEN_NEXT) {
        Py_CLEAR(self->coroutine);
    }
    if (end_driven_step(self, started, sent == PYGEN_ERROR) < 0) {
        Py_CLEAR(*result);
        return PYGEN_ERROR;
    }
    return sent;
}

/* Ends a coroutine by GeneratorExit. */
static int
close_coroutine(Drive *self)
{
    PyObject *coroutine = self->coroutine;
    if (coroutine == NULL) {
        return 0;
    }
    self->coroutine = NULL;
    PyObject *done = PyObject_CallMethodNoArgs(coroutine, str_close);
    Py_DECREF(coroutine);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *
drive_throw_in(Drive *self, PyObject *thrown)
{
    double started;
    PyObject *coroutine = begin_driven_step(self, &started);
    if (coroutine == NULL) {
        return NULL;
    }
    PyObject *waiter = PyObject_CallMethodOneArg(coroutine, str_throw, thrown);
    Py_DECREF(coroutine);
    if (waiter == NULL) {
        Py_CLEAR(self->coroutine);
    }
    if (end_driven_step(self, started, waiter == NULL) < 0) {
        Py_CLEAR(waiter);
    }
    return waiter;
}

/* Gives the one exception that `throw(type, value, traceback)` means. */
static PyObject *
thrown_exception(PyObject *type, PyObject *value, PyObject *trace)
{
    if (PyExceptionInstance_Check(type) && (value == NULL || value == Py_None)) {
        value = Py_NewRef(type);
        type = Py_NewRef(PyExceptionInstance_Class(value));
    }
    else if (PyExceptionClass_Check(type)) {
        Py_INCREF(type);
        value = value == Py_None ? NULL : Py_XNewRef(value);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "what is thrown must be an exception");
        return NULL;
    }
    trace = trace == Py_None ? NULL : Py_XNewRef(trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL) {
        PyException_SetTraceback(value, trace);
    }
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
}

static PyObject *
drive_throw(Drive *self, PyObject *args)
{
    PyObject *type, *value = NULL, *trace = NULL, *waiter = NULL;
    if (!PyArg_UnpackTuple(args, "throw", 1, 3, &type, &value, &trace)) {
        return NULL;
    }
    PyObject *thrown = thrown_exception(type, value, trace);
    if (thrown == NULL) {
        return NULL;
    }
    int exits = PyErr_GivenExceptionMatches(thrown, PyExc_GeneratorExit);
    if (self->coroutine != NULL && !exits) {
        waiter = drive_throw_in(self, thrown);
    }
    else if (close_coroutine(self) == 0) {
        PyErr_SetObject(PyExceptionInstance_Class(thrown), thrown);
    }
    Py_DECREF(thrown);
    return waiter;
}

static PyObject *
drive_close(Drive *self, PyObject *unused)
{
    (void)unused;
    return close_coroutine(self) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
drive_send(Drive *self, PyObject *argument)
{
    PyObject *result;
    PySendResult sent = drive_resume(self, argument, &result);
    if (sent == PYGEN_RETURN) {
        Py_CLEAR(result); /* an app returns nothing, and neither does `drive` in Python */
        PyErr_SetNone(PyExc_StopIteration);
    }
    return result;
}

static PyObject *
drive_next(Drive *self)
{
    PyObject *result;
    if (drive_resume(self, Py_None, &result) == PYGEN_RETURN) {
        Py_CLEAR(result); /* NULL without an exception: the end, and nothing to return */
    }
    return result;
}

static int
drive_traverse(Drive *self, visitproc visit, void *arg)
{
    Py_VISIT(self->pulse);
    Py_VISIT(self->request);
    Py_VISIT(self->coroutine);
    return 0;
}

static int
drive_clear(Drive *self)
{
    Py_CLEAR(self->coroutine); /* whoever still resumes it finds it ended */
    return 0;
}

static void
drive_dealloc(Drive *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->coroutine);
    Py_CLEAR(self->request);
    Py_CLEAR(self->pulse);
    PyObject_GC_Del(self);
}

static PyMethodDef drive_methods[] = {
    {"send", (PyCFunction)drive_send, METH_O, NULL},
    {"throw", (PyCFunction)drive_throw, METH_VARARGS, NULL},
    {"close", (PyCFunction)drive_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods drive_as_async = {
    .am_await = PyObject_SelfIter,
    .am_send = (sendfunc)drive_resume,
};

static PyTypeObject DriveType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.Drive",
    .tp_basicsize = sizeof(Drive),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_as_async = &drive_as_async,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)drive_next,
    .tp_methods = drive_methods,
    .tp_dealloc = (destructor)drive_dealloc,
    .tp_traverse = (traverseproc)drive_traverse,
    .tp_clear = (inquiry)drive_clear,
};

static PyObject *
drive(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 3 || !PyObject_TypeCheck(args[0], &PulseType) ||
        !is_request(args[1]) || !PyCoro_CheckExact(args[2])) {
        PyErr_SetString(PyExc_TypeError, "drive takes a Pulse, a Request and a coroutine");
        return NULL;
    }
    Drive *self = is_wired() ? PyObject_GC_New(Drive, &DriveType) : NULL;
    if (self == NULL) {
        return NULL;
    }
    self->pulse = (Pulse *)Py_NewRef(args[0]);
    self->request = (Request *)Py_NewRef(args[1]);
    self->coroutine = Py_NewRef(args[2]);
    self->begun = 0;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* ---------------------------------------------------------------- answering */

typedef struct {
    PyObject_HEAD
    PyObject *send, *start; /* start: (request, message) -> message, or None */
    Pulse *pulse;
    Request *request;
    vectorcallfunc call;
} Answer;

static PyTypeObject AnswerType;

/* Gives the seconds of a request's long steps that its row has not taken yet. */
static double
long_seconds(Request *request)
{
    double sum = 0.0;
    if (request->times != NULL && PyList_CheckExact(request->times)) {
        for (Py_ssize_t at = 0; at < PyList_GET_SIZE(request->times); at++) {
            sum += PyFloat_AsDouble(PyList_GET_ITEM(request->times, at));
        }
    }
    return sum;
}

/* Notes that the response is complete, what the request has used by now, and its span, if it was
   slow. */
static int
settle(Pulse *pulse, Request *request)
{
    double now, since = pulse->mark;
    if (read_clock(&now) < 0) {
        return -1;
    }
    since = since > request->started ? since : request->started;
    PyObject *owner = pulse->drives ? Py_XNewRef(pulse->turn) : NULL;
    if (!pulse->drives && PyContextVar_Get(wired.variable, NULL, &owner) < 0) {
        return -1;
    }
    if (owner != (PyObject *)request) { /* in a step of somebody else's */
        since = now;
    }
    Py_XDECREF(owner);
    request->responded = now;
    request->settled = request->taken + request->seconds + long_seconds(request) + now - since;
    if (now - request->started + request->queued >= wired.slow && is_there(pulse->span)) {
        PyObject *span = PyObject_CallNoArgs(pulse->span);
        if (span == NULL) {
            return -1;
        }
        Py_XSETREF(request->span, span);
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Gives what is to be sent for a message, as a new reference. */
static PyObject *
answered(Answer *self, PyObject *message)
{
    if (!PyDict_CheckExact(message) || self->request->responded != 0.0) {
        return Py_NewRef(message);
    }
    PyObject *type = PyDict_GetItemWithError(message, str_type);
    if (type != NULL && type != str_start && same_text(type, str_body)) {
        PyObject *more = PyDict_GetItemWithError(message, str_more_body);
        int more_to_come = more != NULL ? PyObject_IsTrue(more) : 0;
        if (more_to_come < 0 || (!more_to_come && settle(self->pulse, self->request) < 0)) {
            return NULL;
        }
    }
    else if (type != NULL && self->start != Py_None && same_text(type, str_start)) {
        return PyObject_CallFunctionObjArgs(self->start, self->request, message, NULL);
    }
    return PyErr_Occurred() ? NULL : Py_NewRef(message);
}

static PyObject *
answer_call(Answer *self, PyObject *const *args, size_t count, PyObject *names)
{
    if (PyVectorcall_NARGS(count) != 1 || names != NULL) {
        return PyObject_Vectorcall(self->send, args, count, names);
    }
    PyObject *message = answered(self, args[0]);
    if (message == NULL) {
        return NULL;
    }
    PyObject *sending = PyObject_CallOneArg(self->send, message);
    Py_DECREF(message);
    return sending;
}

/* Whatever else is asked of it is asked of the `send` it stands for. */
static PyObject *
answer_getattr(Answer *self, PyObject *name)
{
    return PyObject_GetAttr(self->send, name);
}

static int
answer_traverse(Answer *self, visitproc visit, void *arg)
{
    Py_VISIT(self->send);
    Py_VISIT(self->start);
    Py_VISIT(self->pulse);
    Py_VISIT(self->request);
    return 0;
}

static void
answer_dealloc(Answer *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->send);
    Py_CLEAR(self->start);
    Py_CLEAR(self->pulse);
    Py_CLEAR(self->request);
    PyObject_GC_Del(self);
}

static PyTypeObject AnswerType = { /* no tp_clear: whoever holds it in a cycle can be cleared */
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.Answer",
    .tp_basicsize = sizeof(Answer),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(Answer, call),
    .tp_call = PyVectorcall_Call,
    .tp_getattro = (getattrofunc)answer_getattr,
    .tp_dealloc = (destructor)answer_dealloc,
    .tp_traverse = (traverseproc)answer_traverse,
};

/* answering(pulse, request, receive, send, start, late): `late` is asked about a request that may
   have waited in its socket. */
static PyObject *
answering(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count != 6 || !PyObject_TypeCheck(args[0], &PulseType) || !is_request(args[1])) {
        PyErr_SetString(PyExc_TypeError, "answering takes a pulse, a request, and four callables");
        return NULL;
    }
    if (((Request *)args[1])->started < ((Pulse *)args[0])->behind) {
        PyObject *asked = PyObject_CallFunctionObjArgs(args[5], args[1], args[2], NULL);
        Py_XDECREF(asked);
        if (asked == NULL) {
            return NULL;
        }
    }
    Answer *self = PyObject_GC_New(Answer, &AnswerType);
    if (self == NULL) {
        return NULL;
    }
    self->pulse = (Pulse *)Py_NewRef(args[0]);
    self->request = (Request *)Py_NewRef(args[1]);
    self->send = Py_NewRef(args[3]);
    self->start = Py_NewRef(args[4]);
    self->call = (vectorcallfunc)answer_call;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* ---------------------------------------------------------------- the module */

static PyObject *
wire_request(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *type, *variable;
    double slow;
    if (!PyArg_ParseTuple(args, "O!O!d:wire_request", &PyType_Type, &type, &PyContextVar_Type,
                          &variable, &slow)) {
        return NULL;
    }
    if (!PyType_IsSubtype((PyTypeObject *)type, &RequestType)) {
        PyErr_SetString(PyExc_TypeError, "wire_request takes a subclass of RequestNumbers");
        return NULL;
    }
    Py_XSETREF(wired.request_type, (PyTypeObject *)Py_NewRef(type));
    Py_XSETREF(wired.variable, Py_NewRef(variable));
    wired.slow = slow;
    Py_RETURN_NONE;
}

static PyObject *
wire_steps(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *task, *handle, *slow[4];
    Py_ssize_t crowd;
    if (!PyArg_ParseTuple(args, "nO!O!OOOO:wire_steps", &crowd, &PyType_Type, &task,
                          &PyType_Type, &handle,
                          &slow[0], &slow[1], &slow[2], &slow[3])) {
        return NULL;
    }
    wired.crowd = crowd;
    Py_XSETREF(wired.task_type, (PyTypeObject *)Py_NewRef(task));
    Py_XSETREF(wired.handle_type, (PyTypeObject *)Py_NewRef(handle));
    at_callback = slot_of(wired.handle_type, str_callback);
    at_context = slot_of(wired.handle_type, str_context);
    at_loop = slot_of(wired.handle_type, str_loop);
    Py_XSETREF(wired.end_long_step, Py_NewRef(slow[0]));
    Py_XSETREF(wired.end_other_step, Py_NewRef(slow[1]));
    Py_XSETREF(wired.share_step, Py_NewRef(slow[2]));
    Py_XSETREF(wired.end_long_driven_step, Py_NewRef(slow[3]));
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"add_request", add_request, METH_VARARGS, NULL},
    {"add_to_known", (PyCFunction)(void (*)(void))add_to_known, METH_FASTCALL, NULL},
    {"answering", (PyCFunction)(void (*)(void))answering, METH_FASTCALL, NULL},
    {"begin", (PyCFunction)(void (*)(void))begin, METH_FASTCALL, NULL},
    {"finish", (PyCFunction)(void (*)(void))finish, METH_FASTCALL, NULL},
    {"drive", (PyCFunction)(void (*)(void))drive, METH_FASTCALL, NULL},
    {"timed_run", timed_run, METH_VARARGS, NULL},
    {"timed_select", timed_select, METH_VARARGS, NULL},
    {"wire_ledger", wire_ledger, METH_O, NULL},
    {"wire_request", wire_request, METH_VARARGS, NULL},
    {"wire_steps", wire_steps, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int
take_clock(void)
{
    PyObject *time = PyImport_ImportModule("time");
    if (time == NULL) {
        return -1;
    }
    Py_XSETREF(wired.clock, PyObject_GetAttrString(time, "perf_counter"));
    Py_DECREF(time);
    return wired.clock == NULL ? -1 : 0;
}

static int
make_strings(void)
{
    return (str_add = PyUnicode_InternFromString("add")) &&
                   (str_callback = PyUnicode_InternFromString("_callback")) &&
                   (str_close = PyUnicode_InternFromString("close")) &&
                   (str_context = PyUnicode_InternFromString("_context")) &&
                   (str_endpoint = PyUnicode_InternFromString("endpoint")) &&
                   (str_method = PyUnicode_InternFromString("method")) &&
                   (str_type = PyUnicode_InternFromString("type")) &&
                   (str_body = PyUnicode_InternFromString("http.response.body")) &&
                   (str_more_body = PyUnicode_InternFromString("more_body")) &&
                   (str_start = PyUnicode_InternFromString("http.response.start")) &&
                   (str_note = PyUnicode_InternFromString("note")) &&
                   (str_loop = PyUnicode_InternFromString("_loop")) &&
                   (str_throw = PyUnicode_InternFromString("throw"))
               ? 0
               : -1;
}

static int
execute(PyObject *module)
{
    static PyInterpreterState *owner = NULL;
    if (owner != NULL && owner != PyInterpreterState_Get()) {
        PyErr_SetString(PyExc_ImportError, "loopwatch._speedups serves one interpreter a process");
        return -1;
    }
    owner = PyInterpreterState_Get();
    Py_XSETREF(wired.no_times, PyTuple_New(0));
    if (wired.no_times == NULL || take_clock() < 0 || make_strings() < 0 || PyType_Ready(&TimedRunType) < 0 ||
        PyType_Ready(&TimedSelectType) < 0 || PyType_Ready(&DriveType) < 0 || PyType_Ready(&AnswerType) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "ABI", ABI) < 0 ||
                   PyModule_AddType(module, &PulseType) < 0 ||
                   PyModule_AddType(module, &RequestType) < 0 ||
                   PyModule_AddType(module, &RequestRowType) < 0 ||
                   PyModule_AddType(module, &StepRowType) < 0
               ? -1
               : 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "loopwatch._speedups",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&definition);
}
