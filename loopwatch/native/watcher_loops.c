/* The loops of a watcher: which ones it watches, and the readings that it gives of each. */

#include "watcher.h"

#ifndef _WIN32

static void
release_loops(Loop *loops, Py_ssize_t count)
{
    for (Py_ssize_t n = 0; n < count; n++) {
        loops[n].state->asleep = 0;
        Py_DECREF(loops[n].state);
    }
    PyMem_Free(loops);
}

/* Replaces the watcher's loops and the descriptors that they poll. */
void
take_loops(Watcher *self, Loop *loops, struct pollfd *polled, Py_ssize_t count)
{
    Loop *old = self->loops;
    Py_ssize_t old_count = self->count;
    PyMem_Free(self->polled);
    self->loops = loops, self->polled = polled, self->count = count;
    release_loops(old, old_count);
}

/* Keeps what is already known of a loop. */
static void
carry_over(const Watcher *self, Loop *loop)
{
    for (Py_ssize_t n = 0; n < self->count; n++) {
        const Loop *known = &self->loops[n];
        if (known->state == loop->state) {
            Loop before = *loop;
            *loop = *known;
            loop->descriptor = before.descriptor;
            loop->schedule = before.schedule;
            loop->call = before.call;
            return;
        }
    }
}

static int
take_loop(Watcher *self, Loop *loop, PyObject *entry)
{
    PyObject *state, *clock;
    if (!PyTuple_Check(entry)) {
        PyErr_Format(PyExc_TypeError, "a loop to watch is a tuple, got %R", entry);
        return -1;
    }
    if (!PyArg_ParseTuple(entry, "O!dOiii:watch", &LoopStateType, &state, &loop->early, &clock,
                          &loop->schedule, &loop->call, &loop->descriptor)) {
        return -1;
    }
    if (clock != Py_None) {
        long id = PyLong_AsLong(clock);
        if (id == -1 && PyErr_Occurred()) {
            return -1;
        }
        loop->clock = (clockid_t)id;
        loop->timed = 1;
    }
    loop->state = (LoopState *)state;
    carry_over(self, loop);
    return 0;
}

/* watch(entries, period, main): watch these loops from now on, at least once in `period` s; each is
   (loop state, early, CPU clock or None, descriptors of schedstat, of `syscall`, of its poll);
   `main`: one of them runs on the main thread */
PyObject *
watcher_watch(Watcher *self, PyObject *args)
{
    PyObject *entries;
    double period;
    int main;
    if (!PyArg_ParseTuple(args, "O!dp:watch", &PyTuple_Type, &entries, &period, &main)) {
        return NULL;
    }
    if (self->waiting) {
        PyErr_SetString(PyExc_RuntimeError, "somebody waits by this watcher");
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(entries), taken = 0;
    Loop *loops = PyMem_Calloc(count + 1, sizeof(Loop));
    struct pollfd *polled = PyMem_Calloc(count + 1, sizeof(struct pollfd));
    while (loops != NULL && polled != NULL && taken < count &&
           take_loop(self, &loops[taken], PyTuple_GET_ITEM(entries, taken)) == 0) {
        Py_INCREF(loops[taken].state);
        polled[taken + 1] = (struct pollfd){loops[taken].descriptor, POLLIN, 0};
        taken++;
    }
    if (loops == NULL || polled == NULL || taken < count) {
        PyMem_Free(polled);
        if (loops != NULL) {
            release_loops(loops, taken);
        }
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    polled[0] = (struct pollfd){self->bell[0], POLLIN, 0};
    take_loops(self, loops, polled, count);
    self->period = period, self->main = (char)main;
    Py_RETURN_NONE;
}

/* glimpse(loop state) -> where a loop was as `wait` last ended its sleep: when the poll began in which
   it waited, 0.0 if it ran; and whether it ran, but its thread waited for something other than the
   GIL. If the GIL came late then, that thread had it. */
PyObject *
watcher_glimpse(Watcher *self, PyObject *state)
{
    double poll = 0.0;
    int elsewhere = 0;
    for (Py_ssize_t n = 0; n < self->count; n++) {
        const Loop *loop = &self->loops[n];
        if ((PyObject *)loop->state == state) {
            poll = loop->is.waits ? loop->is.tick : 0.0;
            elsewhere = loop->elsewhere;
        }
    }
    return Py_BuildValue("(dN)", poll, PyBool_FromLong(elsewhere));
}

/* before(loop state) -> (at, process, throttled, cpu, queued, slices of the watchdog; idle, cpu,
   queued, slices of the loop's thread), from before the tick in progress; None without such a
   reading */
PyObject *
watcher_before(Watcher *self, PyObject *state)
{
    Reading found = {0};
    unsigned int version, tries = 0;
    do { /* another thread may be writing, and be off the CPU meanwhile */
        version = __atomic_load_n(&self->version, __ATOMIC_ACQUIRE);
        found.around.at = 0.0;
        for (Py_ssize_t n = 0; n < self->count; n++) {
            if ((PyObject *)self->loops[n].state == state && self->loops[n].known) {
                found = self->loops[n].before;
            }
        }
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((version & 1 || version != __atomic_load_n(&self->version, __ATOMIC_RELAXED)) &&
             ++tries < 1000);
    if (found.around.at == 0.0 || tries == 1000) {
        Py_RETURN_NONE;
    }
    const Around *around = &found.around;
    return Py_BuildValue("(dddddLdddL)", around->at, around->process, around->throttled, around->cpu,
                         around->queued, around->slices, found.idle, found.cpu, found.queued,
                         found.slices);
}
#endif
