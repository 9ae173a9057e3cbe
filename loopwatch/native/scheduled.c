/* The steps of loops whose handles cannot be wrapped: uvloop, rloop.

   A `TimedSoon` stands on a loop's instance for `call_soon`, `call_soon_threadsafe` or `call_later`.
   What it schedules is a `Scheduled`, which calls the callback and reads the clock before and after;
   the handle stays the loop's own. A Scheduled also stands for that handle: it knows the callback,
   the context, when it was scheduled, and when it is due. It runs within the handle's context, so its
   owner is a plain look at the context variable. `call_at` calls `call_later` on the instance.

   Not seen are a loop's own callbacks: what a transport tells its protocol, readers and writers,
   signal handlers. They are what remains between two steps: a gap, or the poll (libuv_poll.c). */

#include "native.h"

#define FEW 8 /* arguments that are passed on without an allocation */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *original; /* the loop's own bound method */
    PyObject *function, *self; /* of it, borrowed, where it is a plain one; else NULL */
    vectorcallfunc run;        /* of the function */
    Pulse *pulse;
    Py_ssize_t at; /* the callback's place among the arguments: 0, or 1 after a delay; -1: `time` */
} TimedSoon;

Spares spare_scheduled = {.type = &ScheduledType};

/* ---------------------------------------------------------------- a step */

static void
take_from_line(Scheduled *self)
{
    self->pulse->ready -= self->waits;
    self->waits = 0;
}

/* Begins a step. What has run since the last one ended is a gap, if it was long. */
static int
begin_scheduled(Scheduled *self, double now)
{
    Pulse *pulse = self->pulse;
    double gap = now - pulse->mark;
    take_from_line(self);
    if (gap >= wired.first && pulse->poll != NULL) { /* else it may have been the poll */
        pulse->mark = now;
        PyObject *seconds = PyFloat_FromDouble(gap);
        PyObject *done = seconds == NULL ? NULL
                                         : PyObject_CallFunctionObjArgs(wired.end_gap, pulse, seconds, NULL);
        Py_XDECREF(seconds);
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
        now = read_clock();
    }
    if (pulse->ready > wired.crowd) {
        pulse->limit = 0.0;
    }
    pulse->mark = now;
    pulse->owner = NULL;
    pulse->running = (PyObject *)self;
    return 0;
}

static int
end_scheduled(Scheduled *self)
{
    Pulse *pulse = self->pulse;
    PyObject *request = NULL;
    double now = read_clock(), began = pulse->mark;
    pulse->running = NULL;
    if (pulse->closed || find_owner(pulse, &request) < 0) {
        return pulse->closed ? 0 : -1;
    }
    if (now - began >= pulse->limit && self->context == NULL) {
        self->context = PyContext_CopyCurrent();
    }
    int failed = end_step(pulse, (PyObject *)self, request, began, now);
    Py_XDECREF(request);
    return failed;
}

/* Calls the callback; without arguments, a type that has no vectorcall is called as it is. A loop calls
   it, so nothing is deep here. */
static inline PyObject *
call_back(PyObject *callback, PyObject *const *args, size_t count, PyObject *names)
{
    PyTypeObject *type = Py_TYPE(callback);
    return PyVectorcall_NARGS(count) == 0 && names == NULL &&
                   !PyType_HasFeature(type, Py_TPFLAGS_HAVE_VECTORCALL)
               ? type->tp_call(callback, wired.nothing, NULL)
               : PyObject_Vectorcall(callback, args, count, names);
}

static PyObject *
scheduled_call(Scheduled *self, PyObject *const *args, size_t count, PyObject *names)
{
    if (self->pulse->closed || self->pulse->running != NULL) { /* stopped, or one within another */
        take_from_line(self);
        return PyObject_Vectorcall(self->callback, args, count, names);
    }
    if (begin_scheduled(self, read_clock()) < 0) {
        return NULL;
    }
    PyObject *type = NULL, *value = NULL, *trace = NULL;
    PyObject *done = call_back(self->callback, args, count, names);
    if (done == NULL) {
        PyErr_Fetch(&type, &value, &trace);
    }
    if (end_scheduled(self) < 0) {
        Py_CLEAR(done);
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
    }
    else if (type != NULL) {
        PyErr_Restore(type, value, trace);
    }
    return done;
}

/* Whatever else is asked of it is asked of the callback. */
static PyObject *
scheduled_getattr(Scheduled *self, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr((PyObject *)self, name);
    if (found != NULL || self->callback == NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return found;
    }
    PyErr_Clear();
    return PyObject_GetAttr(self->callback, name);
}

static PyObject *
scheduled_repr(Scheduled *self)
{
    return PyObject_Repr(self->callback); /* a spare one's is "<NULL>" */
}

static int
scheduled_traverse(Scheduled *self, visitproc visit, void *arg)
{
    Py_VISIT(self->callback);
    Py_VISIT(self->context);
    Py_VISIT(self->pulse);
    return 0;
}

static int
scheduled_clear(Scheduled *self) /* whoever still calls it calls None */
{
    Py_CLEAR(self->context);
    Py_XSETREF(self->callback, Py_NewRef(Py_None));
    return 0;
}

static void
scheduled_dealloc(Scheduled *self)
{
    begin_to_end((PyObject *)self);
    self->call = NULL; /* a spare one cannot be called */
    if (self->waits) {
        take_from_line(self);
    }
    Py_CLEAR(self->callback);
    Py_XSETREF(self->context, NULL);
    Py_CLEAR(self->pulse);
    keep_spare(&spare_scheduled, (PyObject *)self);
}

static PyMemberDef scheduled_members[] = {
    {"_callback", T_OBJECT, offsetof(Scheduled, callback), READONLY, NULL},
    {"_context", T_OBJECT, offsetof(Scheduled, context), READONLY, NULL},
    {"_made", T_DOUBLE, offsetof(Scheduled, made), READONLY, NULL},
    {"_due", T_DOUBLE, offsetof(Scheduled, due), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject ScheduledType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.Scheduled",
    .tp_basicsize = sizeof(Scheduled),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_vectorcall_offset = offsetof(Scheduled, call),
    .tp_call = PyVectorcall_Call,
    .tp_getattro = (getattrofunc)scheduled_getattr,
    .tp_repr = (reprfunc)scheduled_repr,
    .tp_dealloc = (destructor)scheduled_dealloc,
    .tp_traverse = (traverseproc)scheduled_traverse,
    .tp_clear = (inquiry)scheduled_clear,
    .tp_members = scheduled_members,
};

static Scheduled *
new_scheduled(Pulse *pulse, PyObject *callback)
{
    Scheduled *self = (Scheduled *)take_spare(&spare_scheduled);
    if (self == NULL) {
        return NULL;
    }
    self->call = (vectorcallfunc)scheduled_call;
    self->callback = Py_NewRef(callback);
    self->pulse = (Pulse *)Py_NewRef(pulse);
    self->made = read_clock();
    self->due = 0.0;
    return self;
}

/* ---------------------------------------------------------------- the loop's methods */

/* Says whether a loop should see a callback as it is: what it refuses, it refuses in its own words. */
static int
is_refused(PyObject *callback)
{
    PyObject *function = PyMethod_Check(callback) ? PyMethod_GET_FUNCTION(callback) : callback;
    if (PyFunction_Check(function)) {
        return ((PyCodeObject *)PyFunction_GET_CODE(function))->co_flags & CO_COROUTINE;
    }
    return Py_TYPE(callback)->tp_call == NULL || Py_IS_TYPE(callback, &ScheduledType);
}

/* uvloop is about to set the loop's own time. */
static void
note_time(Pulse *pulse)
{
    if (pulse->poll != NULL && pulse->polling) {
        note_libuv_time(pulse->poll);
    }
}

/* Notes when a timer is due: by the delay, as far as that is a number. */
static void
note_due(Scheduled *self, PyObject *delay)
{
    double seconds = PyFloat_CheckExact(delay)  ? PyFloat_AS_DOUBLE(delay)
                     : PyLong_CheckExact(delay) ? PyLong_AsDouble(delay)
                                                : PyFloat_AsDouble(delay);
    if (seconds == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        return;
    }
    self->due = self->made + (seconds > 0.0 ? seconds : 0.0);
}

/* Calls the loop's own method with a Scheduled in the callback's place. */
static inline PyObject *
pass_on(TimedSoon *self, PyObject *const *args, Py_ssize_t given, Py_ssize_t all, PyObject *names,
        Scheduled *scheduled)
{
    PyObject *few[FEW + 1], **copy = few, *handle;
    if (all > FEW) {
        copy = PyMem_Malloc((all + 1) * sizeof(PyObject *));
        if (copy == NULL) {
            return PyErr_NoMemory();
        }
    }
    copy[0] = self->self;
    for (Py_ssize_t n = 0; n < all; n++) {
        copy[n + 1] = args[n];
    }
    copy[self->at + 1] = (PyObject *)scheduled;
    if (self->run != NULL) {
        handle = self->run(self->function, copy, given + 1, names);
    }
    else {
        handle = PyObject_Vectorcall(self->original, copy + 1, given | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                     names);
    }
    if (copy != few) {
        PyMem_Free(copy);
    }
    return handle;
}

static PyObject *
timed_soon_call(TimedSoon *self, PyObject *const *args, size_t count, PyObject *names)
{
    Py_ssize_t given = PyVectorcall_NARGS(count), at = self->at;
    Pulse *pulse = self->pulse;
    if (at != 0) {
        note_time(pulse);
    }
    if (pulse->closed || at < 0 || given <= at || is_refused(args[at])) {
        return PyObject_Vectorcall(self->original, args, count, names);
    }
    Scheduled *scheduled = new_scheduled(pulse, args[at]);
    if (scheduled == NULL) {
        return NULL;
    }
    if (at == 1) {
        note_due(scheduled, args[0]);
    }
    else {
        scheduled->waits = 1;
        pulse->ready += 1;
    }
    if (pulse->asleep) {
        wake_watcher();
    }
    Py_ssize_t all = given + (names != NULL ? PyTuple_GET_SIZE(names) : 0);
    PyObject *handle = pass_on(self, args, given, all, names, scheduled);
    Py_DECREF(scheduled);
    return handle;
}

static int
timed_soon_traverse(TimedSoon *self, visitproc visit, void *arg)
{
    Py_VISIT(self->original);
    Py_VISIT(self->pulse);
    return 0;
}

static void
timed_soon_dealloc(TimedSoon *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->original);
    Py_CLEAR(self->pulse);
    PyObject_GC_Del(self);
}

static PyMemberDef timed_soon_members[] = {
    {"__wrapped__", T_OBJECT, offsetof(TimedSoon, original), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject TimedSoonType = { /* no tp_clear: the loop's dict clears any cycle */
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.TimedSoon",
    .tp_basicsize = sizeof(TimedSoon),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_vectorcall_offset = offsetof(TimedSoon, call),
    .tp_call = PyVectorcall_Call,
    .tp_dealloc = (destructor)timed_soon_dealloc,
    .tp_traverse = (traverseproc)timed_soon_traverse,
    .tp_members = timed_soon_members,
};

/* timed_soon(pulse, original, at) */
PyObject *
timed_soon(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *pulse, *original;
    Py_ssize_t at;
    if (!PyArg_ParseTuple(args, "O!On:timed_soon", &PulseType, &pulse, &original, &at)) {
        return NULL;
    }
    if (at < -1 || at > 1) {
        PyErr_Format(PyExc_ValueError, "the callback stands at 0 or 1, or nowhere (-1), got %zd", at);
        return NULL;
    }
    TimedSoon *self = is_wired() ? PyObject_GC_New(TimedSoon, &TimedSoonType) : NULL;
    if (self == NULL) {
        return NULL;
    }
    self->call = (vectorcallfunc)timed_soon_call;
    self->original = Py_NewRef(original);
    self->function = self->self = NULL;
    self->run = NULL;
    if (PyMethod_Check(original)) {
        self->function = PyMethod_GET_FUNCTION(original);
        self->self = PyMethod_GET_SELF(original);
        self->run = PyVectorcall_Function(self->function);
    }
    self->pulse = (Pulse *)Py_NewRef(pulse);
    self->at = at;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}
