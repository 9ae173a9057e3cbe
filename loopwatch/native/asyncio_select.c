/* The `select` of an asyncio loop's selector: a tick ends, the loop polls, a tick begins.

   A poll without waiting (timeout 0) has no idle time, so the next tick begins where the last one
   ended, and no clock is read.

   Other code may have wrapped our `select` by the time the watch stops, so ours stays. It is told to
   `forget`, and only passes on from then. */

#include "recorder.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    LoopState *state; /* NULL: forgotten */
    PyObject *select;
    PyObject *ready; /* the loop's deque of callbacks, NULL if it has none */
} TimedSelect;

/* Says whether a poll does not wait: 1 or 0; -1 with an exception. */
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

/* Returns for how long a poll waits at most, s; 0.0: not known, or without end. */
static double
most_wait(PyObject *timeout)
{
    double seconds = timeout == NULL || timeout == Py_None ? 0.0 : PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) {
        PyErr_Clear(); /* the selector will raise it */
    }
    return seconds > 0.0 ? seconds : 0.0;
}

/* Records a poll. What is in line by now was appended by other threads: the loop has not looked at
   the poll's events yet. */
static void
end_recorded_poll(Recorder *recorder, const LoopState *state, double started, double ended)
{
    uint32_t first = recorder->pushed;
    if (recorder->line != NULL) {
        look_at_line(recorder, 0);
    }
    record_poll(recorder, state, started, ended, first);
}

/* Polls, and counts the time as idle; an exception of the poll stays set. */
static PyObject *
wait_idle(TimedSelect *self, LoopState *state, PyObject *const *args, size_t count,
          PyObject *names, double most)
{
    double end = state->mark;
    state->until = most > 0.0 ? end + most : 0.0;
    state->polling = 1;
    PyObject *events = PyObject_Vectorcall(self->select, args, count, names);
    double back = read_clock();
    state->mark = state->tick = back;
    state->idle += back - end;
    state->polling = 0;
    if (state->recorder != NULL) {
        end_recorded_poll(state->recorder, state, end, back);
    }
    if (state->asleep) {
        wake_watcher();
    }
    return events;
}

/* Ends the step in which the watch began. It began before, so it has no owner; only its time since
   the watch began counts. */
static int
end_first_step(LoopState *state)
{
    double now = read_clock(), took = now - state->mark;
    state->mark = now;
    if (took < wired.first) {
        return 0;
    }
    PyObject *seconds = PyFloat_FromDouble(took);
    PyObject *done = seconds ? PyObject_CallFunctionObjArgs(wired.end_gap, state, seconds, NULL) : NULL;
    Py_XDECREF(seconds);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *
time_poll(TimedSelect *self, LoopState *state, PyObject *const *args, size_t count, PyObject *names)
{
    int has = PyVectorcall_NARGS(count) > 0 || (names != NULL && PyTuple_GET_SIZE(names) > 0);
    int zero = is_zero(has ? args[0] : NULL);
    if (state->turns == 0 && end_first_step(state) < 0) {
        return NULL;
    }
    if (zero < 0 || end_tick(state, state->mark) < 0) {
        return NULL;
    }
    PyObject *events = zero ? PyObject_Vectorcall(self->select, args, count, names)
                            : wait_idle(self, state, args, count, names, most_wait(has ? args[0] : NULL));
    if (events != NULL && self->ready != NULL) {
        Py_ssize_t ready = PyObject_Size(self->ready);
        if (ready < 0) {
            Py_DECREF(events);
            return NULL;
        }
        if (ready > wired.busy_tick) {
            state->limit = 0.0;
        }
    }
    return events;
}

static PyObject *
timed_select_call(TimedSelect *self, PyObject *const *args, size_t count, PyObject *names)
{
    if (self->state == NULL) {
        return PyObject_Vectorcall(self->select, args, count, names);
    }
    LoopState *state = (LoopState *)Py_NewRef(self->state); /* it may be forgotten meanwhile */
    PyObject *events = time_poll(self, state, args, count, names);
    Py_DECREF(state);
    return events;
}

/* Only passes on from now on, and keeps nothing of the watch. */
static PyObject *
timed_select_forget(TimedSelect *self, PyObject *nothing)
{
    (void)nothing;
    Py_CLEAR(self->state);
    Py_RETURN_NONE;
}

static PyMethodDef timed_select_methods[] = {
    {"forget", (PyCFunction)timed_select_forget, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int
timed_select_traverse(TimedSelect *self, visitproc visit, void *arg)
{
    Py_VISIT(self->state);
    Py_VISIT(self->select);
    Py_VISIT(self->ready);
    return 0;
}

static void
timed_select_dealloc(TimedSelect *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->state);
    Py_CLEAR(self->select);
    Py_CLEAR(self->ready);
    PyObject_GC_Del(self);
}

PyTypeObject TimedSelectType = { /* no tp_clear: a selector's dict clears any cycle */
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.TimedSelect",
    .tp_basicsize = sizeof(TimedSelect),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_vectorcall_offset = offsetof(TimedSelect, call),
    .tp_call = PyVectorcall_Call,
    .tp_dealloc = (destructor)timed_select_dealloc,
    .tp_traverse = (traverseproc)timed_select_traverse,
    .tp_methods = timed_select_methods,
};

/* timed_select(loop state, select, ready or None) */
PyObject *
timed_select(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *state, *select, *ready;
    if (!PyArg_ParseTuple(args, "O!OO:timed_select", &LoopStateType, &state, &select, &ready)) {
        return NULL;
    }
    TimedSelect *self = is_wired() ? PyObject_GC_New(TimedSelect, &TimedSelectType) : NULL;
    if (self == NULL) {
        return NULL;
    }
    self->call = (vectorcallfunc)timed_select_call;
    self->state = (LoopState *)Py_NewRef(state);
    self->select = Py_NewRef(select);
    self->ready = ready == Py_None ? NULL : Py_NewRef(ready);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}
