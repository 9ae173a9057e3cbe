/* The poll of a libuv loop, by a prepare and a check handle of our own: before it and after it.

   libuv's iteration, as far as it matters: idle handles (uvloop runs what is ready there), prepare,
   poll, check, timers. So a tick ends at `prepare`, and the next one begins where the poll returned.
   What a transport tells its protocol runs inside the poll phase, after epoll_wait has returned, so
   the poll's own end is taken from libuv: entered + the growth of `uv_metrics_idle_time`, which stops
   before the first of those callbacks. A signal that ends epoll_wait makes libuv begin that count
   anew, and what it had is lost (libuv 1.43 to 1.51); so the later of it and the loop's own time
   (`uv_now`, set as epoll_wait returns, in whole ms) is taken. uvloop sets that time again whenever a
   timer is made and in `loop.time()`, which a TimedSoon tells us first (`note_libuv_time`).

   libuv calls both handles without the GIL, on the loop's thread. They write plain numbers, between
   two steps of `version`, and take the GIL for what is long only. All memory is ours until libuv has
   let it go: handles are closed before the loop is, or libuv would refuse to close. Their `data` stays
   NULL, since uvloop takes that of any open handle for an object of its own as it closes.

   Readers on other threads hold the GIL, and find `loop` NULL once the handles are closed: what they
   ask of a closed loop would crash. */

#include "native.h"

enum {
    PREPARE_INIT, PREPARE_START, PREPARE_STOP, CHECK_INIT, CHECK_START, CHECK_STOP,
    CLOSE, UNREF, IDLE_TIME, NOW, FUNCTIONS
};

struct LibuvPoll {
    void *functions[FUNCTIONS];
    void *loop;            /* uv_loop_t; NULL once it is closed */
    void *prepare, *check; /* uv_handle_t: before each stands a pointer to this */
    Pulse *pulse;          /* borrowed: it tells us of its end */
    uint64_t idle_before;  /* ns, as the poll began */
    double seen;           /* the loop's own time before somebody set it in this poll, s; or 0.0 */
    int open;              /* handles that libuv has not let go */
    PyObject *owner;       /* borrowed: the LibuvPollObject; NULL once that has ended */
};

typedef struct {
    PyObject_HEAD
    LibuvPoll *poll;
} LibuvPollObject;

typedef int (*init_function)(void *, void *);
typedef int (*start_function)(void *, void (*)(void *));
typedef int (*stop_function)(void *);
typedef void (*close_function)(void *, void (*)(void *));
typedef void (*unref_function)(void *);
typedef uint64_t (*time_function)(const void *);

#define LARGEST 4096 /* bytes that a handle of libuv's may need */
#define PREFIX 16    /* bytes before a handle, for our pointer; keeps the handle aligned */

static LibuvPoll *
poll_of(void *handle)
{
    return *(LibuvPoll **)((char *)handle - PREFIX);
}

static double
idle_since(LibuvPoll *poll, uint64_t *idle)
{
    *idle = ((time_function)poll->functions[IDLE_TIME])(poll->loop);
    return *idle > poll->idle_before ? (double)(*idle - poll->idle_before) / 1e9 : 0.0;
}

static double
libuv_time(LibuvPoll *poll)
{
    return (double)((time_function)poll->functions[NOW])(poll->loop) / 1e3;
}

/* Returns the moment the poll came back; it is over. */
static double
came_back(LibuvPoll *poll, double idle, double now)
{
    double entered = poll->pulse->tick, back = entered + idle;
    double own = poll->seen != 0.0 ? poll->seen : libuv_time(poll);
    back = own > back ? own : back;
    return back < now ? back : now;
}

/* Notes the loop's own time before somebody sets it. */
void
note_libuv_time(LibuvPoll *poll)
{
    if (poll->seen == 0.0 && poll->loop != NULL) {
        poll->seen = libuv_time(poll);
    }
}

/* Returns when a poll in progress came back; while it waits, `now`. For readers, with the GIL. */
double
since_poll(LibuvPoll *poll, double now, int *waits)
{
    uint64_t before, after;
    *waits = 1;
    if (poll->loop == NULL || clock_step != 0.0) {
        return now;
    }
    double idle = idle_since(poll, &before);
    idle_since(poll, &after);
    if (after > before) { /* it counts */
        return now;
    }
    *waits = 0;
    return came_back(poll, idle, now);
}

/* ---------------------------------------------------------------- called by libuv, without the GIL */

static void
write_begins(Pulse *pulse)
{
    __atomic_store_n(&pulse->version, pulse->version + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void
write_ends(Pulse *pulse)
{
    __atomic_store_n(&pulse->version, pulse->version + 1, __ATOMIC_RELEASE);
}

/* Calls a function of the pulse with the GIL; what it raises is told, and goes nowhere. */
static void
with_gil(Pulse *pulse, int (*function)(Pulse *, double), double at)
{
    PyGILState_STATE state = PyGILState_Ensure();
    Py_INCREF(pulse);
    if (function(pulse, at) < 0) {
        PyErr_WriteUnraisable((PyObject *)pulse);
    }
    Py_DECREF(pulse);
    PyGILState_Release(state);
}

/* What the poll phase ran was long, or a request began in it: Python files it, as a gap. */
static int
end_callbacks(Pulse *pulse, double took)
{
    PyObject *entered = is_there(pulse->entered) ? pulse->entered : NULL;
    if (entered != NULL) {
        return slow_way(wired.share_step, (PyObject *)pulse, Py_None, Py_None, took);
    }
    PyObject *seconds = PyFloat_FromDouble(took);
    PyObject *done = seconds == NULL ? NULL
                                     : PyObject_CallFunctionObjArgs(wired.end_gap, pulse, seconds, NULL);
    Py_XDECREF(seconds);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
end_gap_then_tick(Pulse *pulse, double ended)
{
    double gap = ended - pulse->mark;
    int failed = 0;
    pulse->mark = ended;
    if (gap >= wired.first || is_there(pulse->entered)) {
        failed = end_callbacks(pulse, gap);
    }
    return end_tick(pulse, ended) < 0 || failed < 0 ? -1 : 0;
}

static void
on_prepare(void *handle)
{
    LibuvPoll *poll = poll_of(handle);
    Pulse *pulse = poll->pulse;
    if (pulse == NULL) {
        return;
    }
    double now = read_clock();
    if (now - pulse->mark >= wired.first || pulse->noted || is_there(pulse->entered) ||
        ends_slowly(pulse, now - pulse->tick)) {
        with_gil(pulse, end_gap_then_tick, now);
        now = read_clock();
    }
    else {
        end_tick(pulse, now); /* nothing of it needs the GIL */
    }
    write_begins(pulse);
    pulse->mark = pulse->tick = now;
    idle_since(poll, &poll->idle_before);
    poll->seen = 0.0;
    pulse->polling = 1;
    write_ends(pulse);
}

static void
on_check(void *handle)
{
    LibuvPoll *poll = poll_of(handle);
    Pulse *pulse = poll->pulse;
    if (pulse == NULL || !pulse->polling) {
        return;
    }
    uint64_t unused;
    double now = read_clock(), idle = idle_since(poll, &unused);
    double back = clock_step != 0.0 ? now : came_back(poll, idle, now); /* an even clock is not its */
    write_begins(pulse);
    pulse->idle += back - pulse->tick;
    pulse->tick = back;
    pulse->mark = now;
    pulse->polling = 0;
    write_ends(pulse);
    if (pulse->asleep) {
        wake_watcher();
    }
    if (now - back >= wired.first || is_there(pulse->entered)) {
        with_gil(pulse, end_callbacks, now - back);
    }
}

static void
on_closed(void *handle)
{
    LibuvPoll *poll = poll_of(handle);
    PyMem_RawFree((char *)handle - PREFIX);
    if (--poll->open == 0 && poll->owner == NULL) {
        PyMem_RawFree(poll);
    }
}

/* ---------------------------------------------------------------- for Python */

/* The pulse has ended. */
void
abandon_poll(LibuvPoll *poll)
{
    poll->pulse = NULL;
}

static void
close_handle(LibuvPoll *poll, void **handle, int stop)
{
    if (*handle != NULL) {
        ((stop_function)poll->functions[stop])(*handle);
        ((close_function)poll->functions[CLOSE])(*handle, on_closed);
        *handle = NULL; /* `on_closed` frees it */
    }
}

/* Has libuv let the handles go; on the loop's thread, while the loop is open. */
static void
close_poll(LibuvPoll *poll)
{
    poll->loop = NULL;
    if (poll->pulse != NULL) {
        poll->pulse->poll = NULL;
        poll->pulse = NULL;
    }
    close_handle(poll, &poll->prepare, PREPARE_STOP);
    close_handle(poll, &poll->check, CHECK_STOP);
}

static PyObject *
libuv_poll_close(LibuvPollObject *self, PyObject *unused)
{
    (void)unused;
    close_poll(self->poll);
    Py_RETURN_NONE;
}

/* Reads and writes nothing more; `close` is to follow, on the loop's thread. */
static PyObject *
libuv_poll_detach(LibuvPollObject *self, PyObject *unused)
{
    (void)unused;
    LibuvPoll *poll = self->poll;
    poll->loop = NULL;
    if (poll->pulse != NULL) {
        poll->pulse->poll = NULL;
        poll->pulse = NULL;
    }
    Py_RETURN_NONE;
}

static void
libuv_poll_dealloc(LibuvPollObject *self)
{
    LibuvPoll *poll = self->poll;
    if (poll != NULL) {
        poll->owner = NULL;
        if (poll->pulse != NULL) {
            poll->pulse->poll = NULL;
            poll->pulse = NULL;
        }
        if (poll->open == 0) {
            PyMem_RawFree(poll);
        } /* else libuv still has our handles */
    }
    Py_TYPE(self)->tp_free(self);
}

/* Opens one handle; libuv calls `function` once an iteration, and is not kept running by it. Starting
   one fails only without a function. */
static void *
open_handle(LibuvPoll *poll, Py_ssize_t size, int first, void (*function)(void *))
{
    void *memory = PyMem_RawCalloc(1, size + PREFIX), *handle = (char *)memory + PREFIX;
    if (memory == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (((init_function)poll->functions[first])(poll->loop, handle) != 0) {
        PyMem_RawFree(memory);
        PyErr_SetString(PyExc_OSError, "libuv refused a handle");
        return NULL;
    }
    *(LibuvPoll **)memory = poll;
    poll->open++;
    ((start_function)poll->functions[first + 1])(handle, function);
    ((unref_function)poll->functions[UNREF])(handle);
    return handle;
}

static int
open_handles(LibuvPoll *poll, Py_ssize_t prepare_size, Py_ssize_t check_size)
{
    poll->prepare = open_handle(poll, prepare_size, PREPARE_INIT, on_prepare);
    if (poll->prepare == NULL) {
        return -1;
    }
    poll->check = open_handle(poll, check_size, CHECK_INIT, on_check);
    return poll->check == NULL ? -1 : 0;
}

static int
take_addresses(LibuvPoll *poll, PyObject *addresses)
{
    for (Py_ssize_t n = 0; n < FUNCTIONS; n++) {
        poll->functions[n] = PyLong_AsVoidPtr(PyTuple_GET_ITEM(addresses, n));
        if (poll->functions[n] == NULL) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_ValueError, "an address of libuv's must not be 0");
            }
            return -1;
        }
    }
    return 0;
}

/* LibuvPoll(pulse, address of the uv_loop_t, addresses of functions, sizes of both handles): on the
   loop's thread */
static PyObject *
libuv_poll_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *pulse, *loop, *addresses;
    Py_ssize_t prepare_size, check_size;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "O!O!O!nn:LibuvPoll", &PulseType, &pulse, &PyLong_Type, &loop,
                          &PyTuple_Type, &addresses, &prepare_size, &check_size)) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(addresses) < FUNCTIONS || prepare_size < 64 || check_size < 64 ||
        prepare_size > LARGEST || check_size > LARGEST) {
        PyErr_Format(PyExc_ValueError, "LibuvPoll takes %d addresses and the handles' sizes", FUNCTIONS);
        return NULL;
    }
    if (((Pulse *)pulse)->poll != NULL) {
        PyErr_SetString(PyExc_ValueError, "this pulse has a poll already");
        return NULL;
    }
    LibuvPollObject *self = is_wired() ? (LibuvPollObject *)type->tp_alloc(type, 0) : NULL;
    if (self == NULL) {
        return NULL;
    }
    LibuvPoll *poll = self->poll = PyMem_RawCalloc(1, sizeof(LibuvPoll));
    if (poll == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    poll->owner = (PyObject *)self;
    poll->loop = PyLong_AsVoidPtr(loop);
    if (poll->loop == NULL && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "the address of a loop must not be 0");
    }
    if (poll->loop == NULL || take_addresses(poll, addresses) < 0 ||
        open_handles(poll, prepare_size, check_size) < 0) {
        close_poll(poll);
        Py_DECREF(self);
        return NULL;
    }
    poll->pulse = (Pulse *)pulse;
    ((Pulse *)pulse)->poll = poll;
    return (PyObject *)self;
}

static PyMethodDef libuv_poll_methods[] = {
    {"close", (PyCFunction)libuv_poll_close, METH_NOARGS,
     "Give the handles back, on the loop's thread, before the loop closes."},
    {"detach", (PyCFunction)libuv_poll_detach, METH_NOARGS,
     "Read and write nothing more; on any thread, before `close`."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject LibuvPollType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "loopwatch._speedups.LibuvPoll",
    .tp_basicsize = sizeof(LibuvPollObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = libuv_poll_new,
    .tp_dealloc = (destructor)libuv_poll_dealloc,
    .tp_methods = libuv_poll_methods,
};
