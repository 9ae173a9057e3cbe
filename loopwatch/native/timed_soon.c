/* The wrappers of a loop's scheduling methods, where its handles cannot be wrapped.

   A `TimedSoon` replaces `call_soon`, `call_soon_threadsafe` or `call_later` of one loop, and `time`
   of uvloop. It schedules a `Scheduled` (scheduled.c). `call_at` calls `call_later` on
   the instance.

   Other code may have wrapped ours by the time the watch stops, so ours stays. It is told to
   `forget`, and only passes on from then. */

#include "native.h"

#define FEW 8 /* arguments that are forwarded without an allocation */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *original; /* the loop's own bound method */
    PyObject *function, *self; /* of that method, borrowed; NULL if it is none */
    vectorcallfunc run;        /* of the function */
    LoopState *state;          /* NULL: forgotten */
    Py_ssize_t at; /* the callback's position: 0, or 1 after a delay; -1: `time` */
} TimedSoon;

static Scheduled *
new_scheduled(LoopState *state, PyObject *callback)
{
    Scheduled *self = (Scheduled *)take_spare(&spare_scheduled);
    if (self == NULL) {
        return NULL;
    }
    self->call = (vectorcallfunc)scheduled_call;
    self->callback = Py_NewRef(callback);
    self->state = (LoopState *)Py_NewRef(state);
    self->made = read_clock();
    self->due = 0.0;
    return self;
}

/* Says whether to give the loop the callback itself: the loop's own error names what it refuses. */
static int
is_refused(PyObject *callback)
{
    PyObject *function = PyMethod_Check(callback) ? PyMethod_GET_FUNCTION(callback) : callback;
    if (PyFunction_Check(function)) {
        return ((PyCodeObject *)PyFunction_GET_CODE(function))->co_flags & CO_COROUTINE;
    }
    return Py_TYPE(callback)->tp_call == NULL || Py_IS_TYPE(callback, &ScheduledType);
}

/* Notes the loop's own time, which uvloop is about to set. */
static void
note_time(LoopState *state)
{
    if (state->poll != NULL && state->polling) {
        note_libuv_time(state->poll);
    }
}

/* Notes when a timer is due, if its delay is a number. */
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

/* Calls the loop's own method with a Scheduled in place of the callback. */
static inline PyObject *
pass_on(TimedSoon *self, PyObject *const *args, Py_ssize_t given, Py_ssize_t all, PyObject *names,
        Scheduled *scheduled)
{
    PyObject *few[FEW + 1], **copy = few, *handle;
    if (self->run != NULL && given == 1 && all <= 2) { /* a task's step: a callback, a context */
        few[0] = self->self;
        few[1] = (PyObject *)scheduled;
        few[2] = all == 2 ? args[1] : NULL;
        return self->run(self->function, few, 2, names);
    }
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
    LoopState *state = self->state;
    if (at != 0 && state != NULL) {
        note_time(state);
    }
    if (state == NULL || state->closed || at < 0 || given <= at || is_refused(args[at])) {
        return PyObject_Vectorcall(self->original, args, count, names);
    }
    Scheduled *scheduled = new_scheduled(state, args[at]);
    if (scheduled == NULL) {
        return NULL;
    }
    if (at == 1) {
        note_due(scheduled, args[0]); /* may run Python code: then only `scheduled` has the state */
    }
    else {
        scheduled->waits = 1;
        state->ready += 1;
    }
    if (scheduled->state->asleep) {
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
    Py_VISIT(self->state);
    return 0;
}

static void
timed_soon_dealloc(TimedSoon *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->original);
    Py_CLEAR(self->state);
    PyObject_GC_Del(self);
}

/* Only passes on from now on, and keeps nothing of the watch. */
static PyObject *
timed_soon_forget(TimedSoon *self, PyObject *nothing)
{
    (void)nothing;
    Py_CLEAR(self->state);
    Py_RETURN_NONE;
}

static PyMethodDef timed_soon_methods[] = {
    {"forget", (PyCFunction)timed_soon_forget, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

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
    .tp_methods = timed_soon_methods,
};

/* timed_soon(loop state, original, at) */
PyObject *
timed_soon(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *state, *original;
    Py_ssize_t at;
    if (!PyArg_ParseTuple(args, "O!On:timed_soon", &LoopStateType, &state, &original, &at)) {
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
    self->state = (LoopState *)Py_NewRef(state);
    self->at = at;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}
