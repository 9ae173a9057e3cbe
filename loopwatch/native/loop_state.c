/* The numbers of one loop: its thread writes them, any thread may read them. */

#include "recorder.h"

static int
state_traverse(LoopState *self, visitproc visit, void *arg)
{
    Py_VISIT(self->entered);
    Py_VISIT(self->ended);
    Py_VISIT(self->long_tick);
    Py_VISIT(self->span);
    Py_VISIT(self->recorder);
    Py_VISIT(self->samples);
    Py_VISIT(self->known_rows);
    for (int n = 0; n < self->noted; n++) {
        Py_VISIT(self->notes[n].code);
        Py_VISIT(self->notes[n].endpoint);
        Py_VISIT(self->notes[n].request);
    }
    return 0;
}

static int
state_clear(LoopState *self)
{
    self->running = self->driven = NULL;
    Py_CLEAR(self->entered);
    self->owner = NULL;
    Py_CLEAR(self->ended);
    Py_CLEAR(self->long_tick);
    Py_CLEAR(self->span);
    Py_CLEAR(self->samples);
    Py_CLEAR(self->known_rows);
    forget_notes(self);
    return 0;
}

static void
state_dealloc(LoopState *self)
{
    PyObject_GC_UnTrack(self);
    if (self->poll != NULL) {
        abandon_poll(self->poll);
    }
    state_clear(self);
    Py_CLEAR(self->recorder); /* not before: libuv's poll writes into it without the GIL */
    Py_TYPE(self)->tp_free(self);
}

/* Releases the notes of a young tick. */
void
forget_notes(LoopState *self)
{
    while (self->noted > 0) {
        Note *note = &self->notes[--self->noted];
        Py_CLEAR(note->code);
        Py_CLEAR(note->endpoint);
        Py_CLEAR(note->request);
    }
}

/* take_notes() -> (code, endpoint or None, request, s) of each long step of this tick that C has
   noted */
static PyObject *
state_take_notes(LoopState *self, PyObject *unused)
{
    (void)unused;
    PyObject *list = PyList_New(0);
    for (int n = 0; list != NULL && n < self->noted; n++) {
        Note *note = &self->notes[n];
        PyObject *endpoint = note->endpoint != NULL ? note->endpoint : Py_None;
        PyObject *each = Py_BuildValue("(OOOd)", note->code, endpoint, note->request, note->took);
        if (each == NULL || PyList_Append(list, each) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(each);
    }
    forget_notes(self);
    return list;
}

/* count_tick(seconds): file a tick; fall_behind(seconds): the loop was busy this long until
   `mark` */
static PyObject *
state_count_tick(LoopState *self, PyObject *seconds)
{
    double took;
    if (to_float(seconds, &took) < 0) {
        return NULL;
    }
    count_tick(self, took);
    Py_RETURN_NONE;
}

static PyObject *
state_fall_behind(LoopState *self, PyObject *seconds)
{
    double took;
    if (to_float(seconds, &took) < 0) {
        return NULL;
    }
    fall_behind(self, took, self->mark);
    Py_RETURN_NONE;
}

/* Reads where a loop is at `now`, with or without the GIL. Without it, a thread that is off the CPU
   for long may tear a reading, which is then of a moment just before or after. */
void
read_position(LoopState *self, double now, Position *found)
{
    unsigned int version, tries = 0;
    do { /* libuv's poll ends without the GIL */
        version = __atomic_load_n(&self->version, __ATOMIC_ACQUIRE);
        found->polling = found->waits = __atomic_load_n(&self->polling, __ATOMIC_ACQUIRE);
        __atomic_load(&self->mark, &found->mark, __ATOMIC_RELAXED);
        __atomic_load(&self->tick, &found->tick, __ATOMIC_RELAXED);
        __atomic_load(&self->idle, &found->idle, __ATOMIC_RELAXED);
        found->turns = __atomic_load_n(&self->turns, __ATOMIC_RELAXED);
        if (found->polling) {
            double back = self->poll != NULL ? since_poll_of(self, now, &found->waits) : now;
            found->idle += back > found->tick ? back - found->tick : 0.0;
            found->tick = found->waits ? found->tick : back;
        }
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((version & 1 || version != __atomic_load_n(&self->version, __ATOMIC_RELAXED) ||
              found->polling != __atomic_load_n(&self->polling, __ATOMIC_RELAXED)) &&
             ++tries < 10000);
}

/* position(now) -> (turns, s idle until now, when the tick in progress began; None: in the poll) */
static PyObject *
state_position(LoopState *self, PyObject *moment)
{
    double now;
    Position is;
    if (to_float(moment, &now) < 0) {
        return NULL;
    }
    read_position(self, now, &is);
    return is.waits ? Py_BuildValue("(ndO)", is.turns, is.idle, Py_None)
                    : Py_BuildValue("(ndd)", is.turns, is.idle, is.tick);
}

static PyObject *
state_tick_counts(LoopState *self, void *unused)
{
    (void)unused;
    return counts_of(&self->ticks);
}

static PyObject *
state_tick_sums(LoopState *self, void *unused)
{
    (void)unused;
    return floats_of(self->ticks.sums);
}

static PyObject *
state_tick_squares(LoopState *self, void *unused)
{
    (void)unused;
    return floats_of(self->squares);
}

static PyObject *
state_recorder(LoopState *self, void *unused)
{
    (void)unused;
    return Py_NewRef(self->recorder != NULL ? (PyObject *)self->recorder : Py_None);
}

/* Sets the recorder, once. */
static int
state_set_recorder(LoopState *self, PyObject *recorder, void *unused)
{
    (void)unused;
    if (recorder == NULL || !Py_IS_TYPE(recorder, &RecorderType) || self->recorder != NULL) {
        PyErr_SetString(PyExc_TypeError, "a recorder must be a Recorder, and is set once");
        return -1;
    }
    self->recorder = (Recorder *)Py_NewRef(recorder);
    return 0;
}

static PyMemberDef state_members[] = {
    {"mark", T_DOUBLE, offsetof(LoopState, mark), 0, NULL},
    {"tick", T_DOUBLE, offsetof(LoopState, tick), 0, NULL},
    {"idle", T_DOUBLE, offsetof(LoopState, idle), 0, NULL},
    {"limit", T_DOUBLE, offsetof(LoopState, limit), 0, NULL},
    {"threshold", T_DOUBLE, offsetof(LoopState, threshold), 0, NULL},
    {"other_seconds", T_DOUBLE, offsetof(LoopState, other_seconds), 0, NULL},
    {"other_steps", T_PYSSIZET, offsetof(LoopState, other_steps), 0, NULL},
    {"behind", T_DOUBLE, offsetof(LoopState, behind), 0, NULL},
    {"busy_since", T_DOUBLE, offsetof(LoopState, busy_since), 0, NULL},
    {"idle_before", T_DOUBLE, offsetof(LoopState, idle_before), 0, NULL},
    {"turns", T_PYSSIZET, offsetof(LoopState, turns), 0, NULL},
    {"ready", T_PYSSIZET, offsetof(LoopState, ready), 0, NULL},
    {"known_rows", T_OBJECT, offsetof(LoopState, known_rows), 0, NULL},
    {"lost_samples", T_PYSSIZET, offsetof(LoopState, lost_samples), 0, NULL},
    {"sampling", T_DOUBLE, offsetof(LoopState, sampling), 0, NULL},
    {"thread_id", T_ULONG, offsetof(LoopState, thread_id), 0, NULL},
    {"main", T_BOOL, offsetof(LoopState, main), 0, NULL},
    {"sampled", T_BOOL, offsetof(LoopState, sampled), 0, NULL},
    {"polling", T_BOOL, offsetof(LoopState, polling), 0, NULL},
    {"eager", T_BOOL, offsetof(LoopState, eager), 0, NULL},
    {"closed", T_BOOL, offsetof(LoopState, closed), 0, NULL},
    {"asleep", T_BOOL, offsetof(LoopState, asleep), READONLY, NULL}, /* for tests */
    {"running", T_OBJECT, offsetof(LoopState, running), READONLY, NULL},
    {"entered", T_OBJECT, offsetof(LoopState, entered), 0, NULL},
    {"driven", T_OBJECT, offsetof(LoopState, driven), READONLY, NULL},
    {"long_tick", T_OBJECT, offsetof(LoopState, long_tick), 0, NULL},
    {"span", T_OBJECT, offsetof(LoopState, span), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef state_getset[] = {
    {"recorder", (getter)state_recorder, (setter)state_set_recorder, NULL, NULL},
    {"tick_counts", (getter)state_tick_counts, NULL, NULL, NULL},
    {"tick_sums", (getter)state_tick_sums, NULL, NULL, NULL},
    {"tick_squares", (getter)state_tick_squares, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef state_methods[] = {
    {"position", (PyCFunction)state_position, METH_O, NULL},
    {"count_tick", (PyCFunction)state_count_tick, METH_O, NULL},
    {"fall_behind", (PyCFunction)state_fall_behind, METH_O, NULL},
    {"take_notes", (PyCFunction)state_take_notes, METH_NOARGS, NULL},
    {"take_samples", (PyCFunction)state_take_samples, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject LoopStateType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.LoopStateNumbers",
    .tp_basicsize = sizeof(LoopState),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)state_dealloc,
    .tp_traverse = (traverseproc)state_traverse,
    .tp_clear = (inquiry)state_clear,
    .tp_members = state_members,
    .tp_getset = state_getset,
    .tp_methods = state_methods,
};
