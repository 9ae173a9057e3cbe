/* The handles by which libuv reports its polls: how Python opens them and gives them back. */

#include "libuv_poll.h"

typedef struct {
    PyObject_HEAD
    LibuvPoll *poll;
} LibuvPollObject;

typedef int (*init_function)(void *, void *);
typedef int (*start_function)(void *, void (*)(void *));
typedef int (*stop_function)(void *);
typedef void (*close_function)(void *, void (*)(void *));
typedef void (*unref_function)(void *);

#define LARGEST 4096 /* bytes that a handle of libuv may need */

/* One holder less: libuv has no GIL as it releases a handle. */
static void
release_poll(LibuvPoll *poll)
{
    if (__atomic_sub_fetch(&poll->holders, 1, __ATOMIC_ACQ_REL) == 0) {
        PyMem_RawFree(poll);
    }
}

static void
on_closed(void *handle)
{
    LibuvPoll *poll = poll_of(handle);
    PyMem_RawFree((char *)handle - PREFIX);
    release_poll(poll);
}

/* The loop state has ended. */
void
abandon_poll(LibuvPoll *poll)
{
    part_poll(poll);
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

/* Makes libuv release the handles; on the loop's thread, while the loop is open. */
static void
close_poll(LibuvPoll *poll)
{
    part_poll(poll);
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

/* Stops reading and writing; `close` must follow, on the loop's thread. */
static PyObject *
libuv_poll_detach(LibuvPollObject *self, PyObject *unused)
{
    (void)unused;
    part_poll(self->poll);
    Py_RETURN_NONE;
}

static void
libuv_poll_dealloc(LibuvPollObject *self)
{
    LibuvPoll *poll = self->poll;
    if (poll != NULL) {
        part_poll(poll);
        release_poll(poll);
    }
    Py_TYPE(self)->tp_free(self);
}

/* Opens one handle. libuv calls `function` once an iteration; the handle does not keep libuv
   running. Starting a handle fails only without a function. */
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
    poll->holders++;
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

/* LibuvPoll(loop state, address of the uv_loop_t, addresses of functions, sizes of both handles):
   on the loop's thread */
static PyObject *
libuv_poll_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *state, *loop, *addresses;
    Py_ssize_t prepare_size, check_size;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "O!O!O!nn:LibuvPoll", &LoopStateType, &state, &PyLong_Type, &loop,
                          &PyTuple_Type, &addresses, &prepare_size, &check_size)) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(addresses) < FUNCTIONS || prepare_size < 64 || check_size < 64 ||
        prepare_size > LARGEST || check_size > LARGEST) {
        PyErr_Format(PyExc_ValueError, "LibuvPoll takes %d addresses and the handles' sizes", FUNCTIONS);
        return NULL;
    }
    if (((LoopState *)state)->poll != NULL) {
        PyErr_SetString(PyExc_ValueError, "this state has a poll already");
        return NULL;
    }
    if (make_guards() < 0) {
        return PyErr_NoMemory();
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
    poll->holders = 1;
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
    poll->state = (LoopState *)state;
    ((LoopState *)state)->poll = poll;
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
