/* The flight recorder of one loop: its latest steps, polls and ended requests, in rings. */

#ifndef LOOPWATCH_RECORDER_H
#define LOOPWATCH_RECORDER_H

#include "native.h"

#define ENTRIES 131072 /* steps and polls; a power of two */
#define ENDED 32768    /* requests that have ended; a power of two */
#define NAMES 1024     /* kinds of callbacks that are told apart, with the two first ones */
#define SLOTS 4096     /* of the table that finds them; a power of two */

enum { REQUEST_STEP, TASK_STEP, CALLBACK_STEP, POLL }; /* the kinds of entries */

typedef struct {
    double started, ended; /* clock, s */
    union {
        double made; /* when it was scheduled, clock, s; where the loop's handles are ours */
        struct {     /* elsewhere: handles are appended to the loop's queue, and numbered */
            uint32_t position; /* its number; of a poll: the next one, as the poll began */
            uint32_t pushed;   /* the next one as the step began; of a poll: as it returned */
        } line;
    } from;
    double due; /* of a timer, s; of asyncio's: of the loop's own clock */
    uint32_t request, task;
    uint16_t name;
    uint8_t kind, part; /* `part`: of a step, whose place is not known */
    uint16_t turn;   /* the lowest bits of the number of its tick */
    uint16_t pushes; /* handles that the step has appended */
} Entry;

typedef struct {
    double arrived, started, responded, ended, running, stalled, pooled; /* clock, s; s */
    uint32_t serial, row;
} EndedRequest;

typedef struct Recorder {
    PyObject_HEAD
    Entry *entries;
    EndedRequest *requests;
    uint64_t count, requests_count; /* so far; the rings have the latest */
    PyObject *line;  /* the loop's queue of ready handles; NULL: not known */
    lenfunc length;  /* of that */
    Py_ssize_t left; /* its length at the last look */
    uint32_t pushed, position;
    PyObject *things; /* list of what is told apart: code objects, types, (type, text) */
    struct {
        const void *key;
        uint16_t name;
    } slots[SLOTS];
} Recorder;

extern PyTypeObject RecorderType;

void record_step(Recorder *recorder, LoopState *state, PyObject *handle, PyObject *request, double began,
                 double now);
void record_request(Recorder *recorder, const RequestRow *row, const Request *request);
uint16_t name_of_thing(Recorder *recorder, const void *key, PyObject *thing, const char *part);

/* The next entry, which is not readable yet. */
static inline Entry *
next_entry(Recorder *recorder)
{
    return &recorder->entries[recorder->count & (ENTRIES - 1)];
}

/* Makes the next entry readable; readers may lack the GIL's order, as libuv's poll ends without. */
static inline void
publish_entry(Recorder *recorder)
{
    __atomic_store_n(&recorder->count, recorder->count + 1, __ATOMIC_RELEASE);
}

/* Looks at the queue. What it has grown by since the last look was appended meanwhile. */
static inline void
look_at_line(Recorder *recorder, Py_ssize_t taken)
{
    Py_ssize_t left = recorder->length(recorder->line);
    Py_ssize_t grown = left + taken - recorder->left;
    recorder->pushed += grown > 0 ? (uint32_t)grown : 0;
    recorder->left = left;
}

/* Notes the place of a handle that was taken from the queue, and whose step begins. */
static inline void
note_place(Recorder *recorder)
{
    if (recorder != NULL && recorder->line != NULL) {
        look_at_line(recorder, 1);
        recorder->position = recorder->pushed - (uint32_t)recorder->left - 1;
    }
}

static inline void
record_poll(Recorder *recorder, const LoopState *state, double started, double ended, uint32_t first)
{
    Entry *entry = next_entry(recorder);
    memset(entry, 0, sizeof(Entry));
    entry->started = started;
    entry->ended = ended;
    entry->from.line.position = first;
    entry->from.line.pushed = recorder->pushed;
    entry->kind = POLL;
    entry->turn = (uint16_t)state->turns;
    publish_entry(recorder);
}

#endif
