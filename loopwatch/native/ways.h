/* Small functions that are used often, mostly at every step. */

#ifndef LOOPWATCH_WAYS_H
#define LOOPWATCH_WAYS_H

#include "native.h"

static inline int
is_request(PyObject *object)
{
    return Py_IS_TYPE(object, &RequestType);
}

static inline int
is_there(PyObject *object)
{
    return object != NULL && object != Py_None;
}

/* Sets *slot to a new reference of `value`. */
static inline void
put(PyObject **slot, PyObject *value)
{
    PyObject *before = *slot;
    *slot = Py_XNewRef(value);
    Py_XDECREF(before);
}

/* Says whether `one`, which may be NULL, is the text `other`. `last` is the object that was equal
   the last time: servers and apps mostly use one object for each text. */
static inline int
is_text(PyObject *one, PyObject *other, PyObject **last)
{
    if (one == other || (one != NULL && one == *last)) {
        return 1;
    }
    if (one == NULL || !PyUnicode_Check(one) || PyUnicode_Compare(one, other) != 0) {
        return 0;
    }
    put(last, one);
    return 1;
}

/* Says whether `one`, which may be NULL, is the text `other`. */
static inline int
same_text(PyObject *one, PyObject *other)
{
    if (one == other) { /* interned */
        return 1;
    }
    if (one == NULL || !PyUnicode_Check(one) || !PyUnicode_Check(other)) {
        return 0;
    }
    if (PyUnicode_IS_COMPACT_ASCII(one) && PyUnicode_IS_COMPACT_ASCII(other)) {
        Py_ssize_t length = PyUnicode_GET_LENGTH(one);
        return length == PyUnicode_GET_LENGTH(other) &&
               memcmp(PyUnicode_DATA(one), PyUnicode_DATA(other), length) == 0;
    }
    return PyUnicode_Compare(one, other) == 0;
}

/* Returns the value of a key that is mostly among the first of a dict, borrowed; NULL if there is
   none, or with an exception. `name` is interned, and so are most keys: then only `name` itself is
   equal to it, and no hash is needed. */
static inline PyObject *
find_early(PyObject *dict, PyObject *name)
{
    Py_ssize_t at = 0, all = PyDict_GET_SIZE(dict);
    PyObject *key, *value;
    for (Py_ssize_t n = 0; n < 4; n++) {
        if (n == all || !PyDict_Next(dict, &at, &key, &value)) {
            return NULL;
        }
        if (key == name) {
            return value;
        }
        if (!PyUnicode_CheckExact(key) || !PyUnicode_CHECK_INTERNED(key)) {
            break;
        }
    }
    return PyDict_GetItemWithError(dict, name);
}

/* Calls an object as PyObject_Vectorcall does, without a look at the thread and at the result. */
static inline PyObject *
call_fast(PyObject *callable, PyObject *const *args, size_t count, PyObject *names)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (PyType_HasFeature(type, Py_TPFLAGS_HAVE_VECTORCALL)) {
        vectorcallfunc call = *(vectorcallfunc *)((char *)callable + type->tp_vectorcall_offset);
        if (call != NULL) {
            return call(callable, args, count, names);
        }
    }
    return PyObject_Vectorcall(callable, args, count, names);
}

/* Says whether an object is of a type or a subclass; most are of a direct Python subclass. */
static inline int
is_a(PyObject *object, PyTypeObject *type)
{
    return Py_TYPE(object)->tp_base == type || PyObject_TypeCheck(object, type);
}

static inline Py_ssize_t
bucket_of(double value)
{
    Py_ssize_t bucket = 0;
    while (bucket < wired.edge_count && wired.edges[bucket] < value) {
        bucket++;
    }
    return bucket;
}

static inline void
add_to_buckets(Buckets *buckets, double value)
{
    Py_ssize_t bucket = bucket_of(value);
    buckets->counts[bucket] += 1;
    buckets->sums[bucket] += value;
}

PyObject *counts_of(const Buckets *buckets); /* as a tuple */
PyObject *floats_of(const double *values);   /* one a bucket, as a tuple */
int to_float(PyObject *object, double *value); /* 0, or -1 with an exception set; ways.c */

/* Reports the exception that is set, and drops it: 0. -1, with it still set, for one that has to
   reach the app, such as a KeyboardInterrupt; ways.c. */
int drop_error(PyObject *where);

/* Calls a Python function for the slow way, with `took` as the last argument; -1 if it raised.
   `third` may be NULL. */
int slow_way(PyObject *function, PyObject *first, PyObject *second, PyObject *third, double took);

/* Gives the request of a step that ends, within its context, a new reference; NULL if there is
   none; -1 with an exception set. If the request's own exchange was resumed, the context is not
   read: no other code sets the variable. */
static inline int
find_owner(LoopState *state, PyObject **owner)
{
    state->served = state->owner != NULL;
    if (state->served) {
        *owner = state->owner == state->ended ? state->ended : Py_NewRef(state->owner);
        if (state->owner != state->ended) {
            Py_XDECREF(state->ended);
        }
        state->owner = state->ended = NULL;
        return 0;
    }
    Py_CLEAR(state->ended);
    if (PyContextVar_Get(wired.variable, NULL, owner) < 0) {
        return -1;
    }
    if (*owner != NULL && !is_request(*owner)) {
        Py_CLEAR(*owner);
    }
    return 0;
}

/* Counts a short step of a request, which ends now. */
static inline void
add_step(Request *request, double took, double now)
{
    request->stepped = now;
    request->steps += 1;
    request->seconds += took;
}

#endif
