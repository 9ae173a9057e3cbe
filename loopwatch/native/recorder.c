/* The rings of a flight recorder, and the names of what ran.

   Only the loop's thread writes. Everybody writes and reads with the GIL, except for the poll of
   libuv, which is written without: so `entries` leaves out what may have been overwritten while it
   copied. The memory is the system's zero pages until it is written. */

#include "recorder.h"

#ifndef _WIN32
#include <sys/mman.h>
#endif

/* ---------------------------------------------------------------- memory */

/* Returns zeroed memory, straight from the system; or NULL. From `calloc` it would be the system's
   only at first: glibc keeps large blocks once some were freed, and writes zeros over them, so that
   each new loop had 8 MB (2,000 loops: 270 MB were left). */
static void *
new_ring(size_t size)
{
#ifdef _WIN32
    return PyMem_RawCalloc(1, size);
#else
    void *ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return ring == MAP_FAILED ? NULL : ring;
#endif
}

static void
free_ring(void *ring, size_t size)
{
#ifdef _WIN32
    (void)size;
    PyMem_RawFree(ring);
#else
    if (ring != NULL) {
        munmap(ring, size);
    }
#endif
}

/* ---------------------------------------------------------------- names */

/* Keeps a thing under a new name; the last name of all is that of all others. */
static uint16_t
keep_thing(Recorder *recorder, PyObject *thing, const char *part)
{
    Py_ssize_t count = PyList_GET_SIZE(recorder->things);
    if (count >= NAMES - 1) {
        return NAMES - 1;
    }
    PyObject *kept = part != NULL ? Py_BuildValue("(Os)", thing, part) : Py_NewRef(thing);
    int failed = kept == NULL || PyList_Append(recorder->things, kept) < 0;
    Py_XDECREF(kept);
    PyErr_Clear();
    return failed ? NAMES - 1 : (uint16_t)(count + 1);
}

/* Returns the name of what has this address, from 1 on. `thing` is kept, so that nothing else gets
   the address; `part` says which of its functions it is, or is NULL. */
uint16_t
name_of_thing(Recorder *recorder, const void *key, PyObject *thing, const char *part)
{
    uint64_t hash = ((uint64_t)(uintptr_t)key >> 4) * 0x9E3779B97F4A7C15u;
    for (uint64_t at = hash >> 52;; at = (at + 1) & (SLOTS - 1)) {
        if (recorder->slots[at].key == key) {
            return recorder->slots[at].name;
        }
        if (recorder->slots[at].key == NULL) {
            uint16_t name = keep_thing(recorder, thing, part);
            if (name < NAMES - 1) {
                recorder->slots[at].key = key;
                recorder->slots[at].name = name;
            }
            return name;
        }
    }
}

/* ---------------------------------------------------------------- requests */

void
record_request(Recorder *recorder, const RequestRow *row, const Request *request)
{
    EndedRequest *ended = &recorder->requests[recorder->requests_count & (ENDED - 1)];
    ended->arrived = request->started - request->queued;
    ended->started = request->started;
    ended->responded = request->responded;
    ended->ended = request->ended;
    ended->running = request->settled;
    ended->stalled = request->stalled;
    ended->pooled = request->pooled;
    ended->serial = (uint32_t)request->serial;
    ended->row = (uint32_t)row->number;
    recorder->requests_count += 1;
}

/* ---------------------------------------------------------------- in Python */

/* add_step(started, ended, request) records a part of a step that is a request's own. */
static PyObject *
recorder_add_step(Recorder *self, PyObject *args)
{
    Entry entry = {.part = 1};
    PyObject *request;
    if (!PyArg_ParseTuple(args, "ddO:add_step", &entry.started, &entry.ended, &request)) {
        return NULL;
    }
    entry.request = is_request(request) ? (uint32_t)((Request *)request)->serial : 0;
    entry.kind = entry.request ? REQUEST_STEP : CALLBACK_STEP;
    *next_entry(self) = entry;
    publish_entry(self);
    Py_RETURN_NONE;
}

static PyObject *
copied(const char *ring, size_t size, uint64_t room, uint64_t first, uint64_t last)
{
    PyObject *copy = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)((last - first) * size));
    for (uint64_t n = first; copy != NULL && n < last; n++) {
        memcpy(PyBytes_AS_STRING(copy) + (n - first) * size, ring + (n & (room - 1)) * size, size);
    }
    return copy;
}

/* Takes the first and the last number from arguments, within what a ring still has. */
static int
take_span(PyObject *args, uint64_t count, uint64_t room, uint64_t *first, uint64_t *last)
{
    unsigned long long from, until;
    if (!PyArg_ParseTuple(args, "KK", &from, &until)) {
        return -1;
    }
    uint64_t oldest = count > room ? count - room : 0;
    *last = until < count ? until : count;
    *first = from > oldest ? from : oldest;
    *first = *first < *last ? *first : *last;
    return 0;
}

/* entries(first, last) -> bytes of the entries with these numbers, the last one excluded; those
   that are gone by now are left out at the beginning */
static PyObject *
recorder_entries(Recorder *self, PyObject *args)
{
    uint64_t first, last;
    if (take_span(args, __atomic_load_n(&self->count, __ATOMIC_ACQUIRE), ENTRIES, &first, &last) < 0) {
        return NULL;
    }
    PyObject *copy = copied((char *)self->entries, sizeof(Entry), ENTRIES, first, last);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    uint64_t count = __atomic_load_n(&self->count, __ATOMIC_ACQUIRE) + 1; /* one may be half written */
    uint64_t gone = count > ENTRIES && count - ENTRIES > first ? count - ENTRIES - first : 0;
    if (copy != NULL && gone > 0) {
        gone = gone < last - first ? gone : last - first;
        Py_SETREF(copy, PyBytes_FromStringAndSize(PyBytes_AS_STRING(copy) + gone * sizeof(Entry),
                                                  (Py_ssize_t)((last - first - gone) * sizeof(Entry))));
    }
    return copy;
}

/* ended(first, last) -> the same for the requests that have ended */
static PyObject *
recorder_ended(Recorder *self, PyObject *args)
{
    uint64_t first, last;
    if (take_span(args, self->requests_count, ENDED, &first, &last) < 0) {
        return NULL;
    }
    return copied((char *)self->requests, sizeof(EndedRequest), ENDED, first, last);
}

static PyObject *
recorder_things(Recorder *self, void *unused)
{
    (void)unused;
    return PyList_AsTuple(self->things);
}

/* Follows the loop's own queue of ready handles from now on, if it is one. */
static PyObject *
recorder_follow(Recorder *self, PyObject *line)
{
    PySequenceMethods *sequence = Py_TYPE(line)->tp_as_sequence;
    if (sequence != NULL && sequence->sq_length != NULL &&
        strcmp(Py_TYPE(line)->tp_name, "collections.deque") == 0) {
        self->length = sequence->sq_length;
        self->left = self->length(line);
        put(&self->line, line);
    }
    Py_RETURN_NONE;
}

static int
recorder_traverse(Recorder *self, visitproc visit, void *arg)
{
    Py_VISIT(self->things);
    Py_VISIT(self->line);
    return 0;
}

static void
recorder_dealloc(Recorder *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->things);
    Py_CLEAR(self->line);
    free_ring(self->entries, ENTRIES * sizeof(Entry));
    free_ring(self->requests, ENDED * sizeof(EndedRequest));
    Py_TYPE(self)->tp_free(self);
}

/* Recorder() has empty rings. */
static PyObject *
recorder_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args, (void)keywords;
    Recorder *self = (Recorder *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->things = PyList_New(0);
    self->entries = new_ring(ENTRIES * sizeof(Entry));
    self->requests = new_ring(ENDED * sizeof(EndedRequest));
    if (self->things == NULL || self->entries == NULL || self->requests == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static PyMemberDef recorder_members[] = {
    {"count", T_ULONGLONG, offsetof(Recorder, count), READONLY, NULL},
    {"requests_count", T_ULONGLONG, offsetof(Recorder, requests_count), READONLY, NULL},
    {"line", T_OBJECT, offsetof(Recorder, line), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef recorder_getset[] = {
    {"things", (getter)recorder_things, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef recorder_methods[] = {
    {"add_step", (PyCFunction)recorder_add_step, METH_VARARGS, NULL},
    {"entries", (PyCFunction)recorder_entries, METH_VARARGS, NULL},
    {"ended", (PyCFunction)recorder_ended, METH_VARARGS, NULL},
    {"follow", (PyCFunction)recorder_follow, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject RecorderType = { /* no tp_clear: what it keeps is released with it */
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.Recorder",
    .tp_basicsize = sizeof(Recorder),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = recorder_new,
    .tp_dealloc = (destructor)recorder_dealloc,
    .tp_traverse = (traverseproc)recorder_traverse,
    .tp_members = recorder_members,
    .tp_getset = recorder_getset,
    .tp_methods = recorder_methods,
};
