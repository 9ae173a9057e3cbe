/* The steps of loops whose handles cannot be wrapped: uvloop, rloop.

   A `TimedSoon` (timed_soon.c) schedules a `Scheduled`, which calls the callback and reads the
   clock before and after it. The handle stays the loop's own. A Scheduled also stands for that
   handle: it has the callback, the context, when it was scheduled, and when it is due. It runs
   within the handle's context, so one read of the context variable gives its owner.

   A loop's own callbacks are not seen: calls of a transport to its protocol, readers and writers,
   signal handlers. They are the rest between two steps: a gap, or the poll (libuv_poll.c). */

#include "gil_turns.h"
#include "raised.h"

Spares spare_scheduled = {.type = &ScheduledType};

/* ---------------------------------------------------------------- a step */

static void
take_from_line(Scheduled *self)
{
    self->state->ready -= self->waits;
    self->waits = 0;
}

/* Begins a step. If the time since the last step is long, it is a gap. */
static int
begin_scheduled(Scheduled *self, double now)
{
    LoopState *state = self->state;
    double gap = now - state->mark;
    take_from_line(self);
    if (gap >= wired.first && state->poll != NULL) { /* without `poll` it may be the loop's poll */
        state->mark = now;
        PyObject *seconds = PyFloat_FromDouble(gap);
        PyObject *done = seconds == NULL ? NULL
                                         : PyObject_CallFunctionObjArgs(wired.end_gap, state, seconds, NULL);
        Py_XDECREF(seconds);
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
        now = read_clock();
    }
    if (state->ready > wired.busy_tick) {
        state->limit = 0.0;
    }
    state->mark = now;
    state->owner = NULL;
    state->running = (PyObject *)self;
    return 0;
}

static int
end_scheduled(Scheduled *self)
{
    LoopState *state = self->state;
    PyObject *request = NULL;
    double now = read_clock(), began = state->mark;
    state->running = NULL;
    if (state->closed || find_owner(state, &request) < 0) {
        return state->closed ? 0 : -1;
    }
    if (now - began >= state->limit && self->context == NULL) {
        self->context = PyContext_CopyCurrent();
    }
    int failed = end_step(state, (PyObject *)self, request, began, now);
    Py_XDECREF(request);
    give_due_turn(state, now);
    return failed;
}

/* Calls the callback; without arguments, and if its type has no vectorcall, by `tp_call`. The loop
   is the caller, so the stack is not deep here. */
static inline PyObject *
call_back(PyObject *callback, PyObject *const *args, size_t count, PyObject *names)
{
    PyTypeObject *type = Py_TYPE(callback);
    return PyVectorcall_NARGS(count) == 0 && names == NULL &&
                   !PyType_HasFeature(type, Py_TPFLAGS_HAVE_VECTORCALL)
               ? type->tp_call(callback, wired.nothing, NULL)
               : call_fast(callback, args, count, names);
}

PyObject *
scheduled_call(Scheduled *self, PyObject *const *args, size_t count, PyObject *names)
{
    if (self->state->closed || self->state->running != NULL) { /* stopped, or within another step */
        take_from_line(self);
        return PyObject_Vectorcall(self->callback, args, count, names);
    }
    if (begin_scheduled(self, read_clock()) < 0) {
        return NULL;
    }
    PyObject *done = call_back(self->callback, args, count, names);
    if (done == NULL) {
        Raised aside = set_aside(1);
        put_back(aside, end_scheduled(self));
    }
    else if (end_scheduled(self) < 0) {
        Py_CLEAR(done);
    }
    return done;
}

/* Returns any other attribute from the callback. */
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
    return PyObject_Repr(self->callback); /* "<NULL>" for a spare */
}

static int
scheduled_traverse(Scheduled *self, visitproc visit, void *arg)
{
    Py_VISIT(self->callback);
    Py_VISIT(self->context);
    Py_VISIT(self->state);
    return 0;
}

static int
scheduled_clear(Scheduled *self) /* a later call calls None */
{
    Py_CLEAR(self->context);
    Py_XSETREF(self->callback, Py_NewRef(Py_None));
    return 0;
}

static void
scheduled_dealloc(Scheduled *self)
{
    begin_to_end((PyObject *)self);
    self->call = NULL; /* a spare cannot be called */
    if (self->waits) {
        take_from_line(self);
    }
    Py_CLEAR(self->callback);
    Py_XSETREF(self->context, NULL);
    Py_CLEAR(self->state);
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
