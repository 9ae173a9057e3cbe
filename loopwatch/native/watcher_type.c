/* The watcher as a Python object: what it takes, and what its sleep returns. */

#include "watcher.h"

#ifdef _WIN32

PyTypeObject WatcherType = { /* has no `wait`: Python waits by itself */
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.Watcher",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

#else

/* Returns the places of those loops for which `is_so`. */
static PyObject *
places(Watcher *self, int (*is_so)(const Loop *))
{
    PyObject *list = PyList_New(0);
    for (Py_ssize_t n = 0; list != NULL && n < self->count; n++) {
        if (!is_so(&self->loops[n])) {
            continue;
        }
        PyObject *place = PyLong_FromSsize_t(n);
        if (place == NULL || PyList_Append(list, place) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(place);
    }
    return list;
}

static int
has_moved(const Loop *loop)
{
    return loop->moved || !loop->is.waits || loop->stirred != 0.0;
}

static int
asks(const Loop *loop)
{
    return loop->asks;
}

/* Resets what is noted for Python's look, which happens now. */
static void
be_looked_at(Loop *loop, double now)
{
    if (!loop->is.waits) {
        double step = since_step(loop);
        loop->step = now - step >= loop->early ? step : loop->step;
        loop->tick = now - loop->is.tick >= loop->early ? loop->is.tick : loop->tick;
    }
    loop->moved = loop->asks = 0;
    loop->fresh |= loop->stirred != 0.0;
    loop->stirred = 0.0;
}

/* wait(wish, holds=False) -> (when it meant to look, when it asked for the GIL, places of loops that
   have moved, places of loops that need a look, whether the garbage collector was on): sleeps until
   Python is needed, or until `wish` (clock, s). A collection that is due runs before the sleep, and
   not as Python wakes: if it `holds` the collector, that is off as it returns. */
static PyObject *
watcher_wait(Watcher *self, PyObject *args)
{
    double wish;
    int holds = 0;
    if (!PyArg_ParseTuple(args, "d|p:wait", &wish, &holds)) {
        return NULL;
    }
    if (self->waiting || self->polled == NULL || self->bell[0] < 0) {
        PyErr_SetString(PyExc_RuntimeError, "this watcher watches nothing, or somebody waits by it");
        return NULL;
    }
    if (PyErr_CheckSignals() < 0) { /* since 3.12, it runs a collection that is due */
        return NULL;
    }
    self->waiting = 1;
    self->wait_began = NEVER;
    end_turns(self);
    self->state = PyEval_SaveThread();
    sleep_while_quiet(self, wish);
    double asked = take_gil(self);
    asked = self->wait_began < asked ? self->wait_began : asked;
    self->waiting = 0;
    __atomic_store_n(&self->rung, 0, __ATOMIC_RELEASE);
    self->had = read_system_clock();
    int collects = PyGC_Disable();
    PyObject *moved = places(self, has_moved), *asking = places(self, asks), *told = NULL;
    for (Py_ssize_t n = 0; n < self->count; n++) {
        be_looked_at(&self->loops[n], self->now);
    }
    self->looked = 0.0;
    self->moving = NEVER;
    if (moved != NULL && asking != NULL) {
        double meant = self->meant < asked ? self->meant : asked;
        told = Py_BuildValue("(ddOOO)", meant, asked, moved, asking, collects ? Py_True : Py_False);
    }
    Py_XDECREF(moved);
    Py_XDECREF(asking);
    if (collects && (!holds || told == NULL)) {
        PyGC_Enable();
    }
    return told;
}

/* take_missed(): take samples for the moments that passed while `wait` waited for the GIL. Not before
   the stack samples, which no collection may precede: this makes objects. */
static PyObject *
watcher_take_missed(Watcher *self, PyObject *unused)
{
    (void)unused;
    take_missed(self, self->had);
    Py_RETURN_NONE;
}

/* read_from(schedstat of the thread that waits, descriptors of `cpu.stat`) */
static PyObject *
watcher_read_from(Watcher *self, PyObject *args)
{
    PyObject *files;
    int schedule, found[FILES];
    if (!PyArg_ParseTuple(args, "iO!:read_from", &schedule, &PyTuple_Type, &files)) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(files);
    if (count > FILES) {
        PyErr_Format(PyExc_ValueError, "at most %d files are read, got %zd", FILES, count);
        return NULL;
    }
    for (Py_ssize_t n = 0; n < count; n++) {
        found[n] = (int)PyLong_AsLong(PyTuple_GET_ITEM(files, n));
        if (found[n] == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    self->schedule = schedule;
    self->file_count = (int)count;
    memcpy(self->files, found, count * sizeof(int));
    Py_RETURN_NONE;
}

static void
drop_keep_alive(Watcher *self)
{
    if (self->timer >= 0) {
        self->timer = -1;
        PyBuffer_Release(&self->keep_alive);
    }
}

/* set_keep_alive(memory of a double, timer, stops): whenever we ask for the GIL, write when the
   beat is due, and make the timer expire `stops` seconds later; set_keep_alive(None, -1, 0.0): stop
   this */
static PyObject *
watcher_set_keep_alive(Watcher *self, PyObject *args)
{
    PyObject *memory;
    int timer;
    double stops;
    if (!PyArg_ParseTuple(args, "Oid:set_keep_alive", &memory, &timer, &stops)) {
        return NULL;
    }
    drop_keep_alive(self);
    if (memory == Py_None) {
        Py_RETURN_NONE;
    }
    if (PyObject_GetBuffer(memory, &self->keep_alive, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    if (self->keep_alive.len < (Py_ssize_t)sizeof(double) || timer < 0) {
        PyBuffer_Release(&self->keep_alive);
        PyErr_SetString(PyExc_ValueError, "a keep_alive is a double and a timer");
        return NULL;
    }
    self->timer = timer;
    self->stops = stops;
    Py_RETURN_NONE;
}

static PyObject *
watcher_ring(Watcher *self, PyObject *unused)
{
    (void)unused;
    __atomic_store_n(&self->rung, 1, __ATOMIC_RELEASE);
    if (self->bell[1] >= 0) {
        ring_bell(self);
    }
    Py_RETURN_NONE;
}

static void
let_go(Watcher *self)
{
    leave_watchers(self);
    end_turns(self);
    drop_keep_alive(self);
    take_loops(self, NULL, NULL, 0);
}

static PyObject *
watcher_close(Watcher *self, PyObject *unused)
{
    (void)unused;
    forget_parent();
    if (self->waiting) {
        PyErr_SetString(PyExc_RuntimeError, "somebody waits by this watcher");
        return NULL;
    }
    let_go(self);
    Py_RETURN_NONE;
}

static void
watcher_dealloc(Watcher *self)
{
    let_go(self);
    Py_TYPE(self)->tp_free(self);
}

/* Watcher(patience, mean): Python looks after a wake that is later than `patience`; `mean` between two
   samples of a busy loop's time, s: without it there are none */
static PyObject *
watcher_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    double patience, mean = NEVER;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "d|d:Watcher", &patience, &mean)) {
        return NULL;
    }
    Watcher *self = (Watcher *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->bell[0] = self->bell[1] = self->timer = self->schedule = -1;
    self->patience = patience;
    self->mean = mean;
    self->period = 1.0;
    self->asked = self->moving = self->rang = self->moment = NEVER;
    if (join_watchers(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static PyMemberDef watcher_members[] = {
    {"asked", T_DOUBLE, offsetof(Watcher, asked), READONLY,
     "when it asked for the GIL, which it has not got yet; else far away"},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef watcher_methods[] = {
    {"before", (PyCFunction)watcher_before, METH_O, "Return a reading from before a loop's tick."},
    {"glimpse", (PyCFunction)watcher_glimpse, METH_O, "Return where a loop was as it was glanced at."},
    {"close", (PyCFunction)watcher_close, METH_NOARGS, "Let everything go, for good."},
    {"set_keep_alive", (PyCFunction)watcher_set_keep_alive, METH_VARARGS, "Say when the GIL is asked for."},
    {"read_from", (PyCFunction)watcher_read_from, METH_VARARGS, "Take the files to read."},
    {"ring", (PyCFunction)watcher_ring, METH_NOARGS, "Have `wait` return; any thread."},
    {"take_missed", (PyCFunction)watcher_take_missed, METH_NOARGS, "Take samples of moments missed."},
    {"wait", (PyCFunction)watcher_wait, METH_VARARGS, "Sleep until Python is needed."},
    {"watch", (PyCFunction)watcher_watch, METH_VARARGS, "Take the loops to look after."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject WatcherType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.Watcher",
    .tp_basicsize = sizeof(Watcher),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = watcher_new,
    .tp_dealloc = (destructor)watcher_dealloc,
    .tp_members = watcher_members,
    .tp_methods = watcher_methods,
};
#endif
