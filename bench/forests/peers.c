/* Other programs' forests through their C entry points, without Python: peers PROGRAM LIBRARY MODEL ROWS COUNT WIDTH SCORES
 *   lleaves   LIBRARY: the compiled forest; MODEL: the same compiled in large blocks, which its makers advise for single rows
 *   tl2cgen   LIBRARY: the compiled forest; MODEL: unused
 *   lightgbm  LIBRARY: lib_lightgbm.so; MODEL: the model's text
 * Writes the scores of all rows, and prints nanoseconds of the thread's processor time a row, alone and in batches: for
 * each, the least and the median of many short rounds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 60, ROUND_ROWS = 512 };

union entry {
  int missing;
  double value;
  int category;
};

typedef void lleaves_root(double *rows, double *scores, int from, int to);
typedef void tl2cgen_predict(union entry *row, int margin, double *score);
typedef int lightgbm_create(const char *file, int *rounds, void **booster);
typedef int lightgbm_fast_init(void *booster, int kind, int from, int rounds, int type, int32_t width, const char *with,
                               void **fast);
typedef int lightgbm_fast(void *fast, const void *row, int64_t *length, double *score);
typedef int lightgbm_rows(void *booster, const void *rows, int type, int32_t count, int32_t width, int row_major, int kind,
                          int from, int rounds, const char *with, int64_t *length, double *scores);

static lleaves_root *lleaves_batch, *lleaves_single;
static tl2cgen_predict *tl2cgen;
static lightgbm_fast *fast_row;
static lightgbm_rows *many_rows;
static void *booster, *fast;
static union entry *entries;
static double *rows, *scores;
static int count, width;

static void *find(const char *library, const char *name) {
  void *handle = dlopen(library, RTLD_NOW);
  void *found = handle ? dlsym(handle, name) : NULL;
  if (!found) {
    fprintf(stderr, "%s: %s\n", library, dlerror());
    exit(1);
  }
  return found;
}

static void lleaves_alone(int row) { lleaves_single(rows + (size_t)row * width, scores + row, 0, 1); }
static void lleaves_some(int from, int to) { lleaves_batch(rows + (size_t)from * width, scores + from, 0, to - from); }

static void tl2cgen_alone(int row) {
  for (int at = 0; at < width; at++)
    entries[at].value = rows[(size_t)row * width + at];
  tl2cgen(entries, 0, scores + row);
}
static void tl2cgen_some(int from, int to) {
  for (int row = from; row < to; row++)
    tl2cgen_alone(row);
}

static void lightgbm_alone(int row) {
  int64_t length;
  if (fast_row(fast, rows + (size_t)row * width, &length, scores + row))
    exit(1);
}
static void lightgbm_some(int from, int to) {
  int64_t length;
  if (many_rows(booster, rows + (size_t)from * width, 1, to - from, width, 1, 0, 0, -1, "num_threads=1", &length,
                scores + from))
    exit(1);
}

static double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

static int ascending(const void *one, const void *other) {
  double difference = *(const double *)one - *(const double *)other;
  return (difference > 0) - (difference < 0);
}

static void measure(const char *name, void (*alone)(int), void (*some)(int, int)) {
  double took[ROUNDS];
  for (int round = -2; round < ROUNDS; round++) {
    int from = (round + 2) * ROUND_ROWS % count;
    double began = now_ns();
    if (alone)
      for (int row = from; row < from + ROUND_ROWS; row++)
        alone(row);
    else
      some(from, from + ROUND_ROWS);
    if (round >= 0)
      took[round] = (now_ns() - began) / ROUND_ROWS;
  }
  qsort(took, ROUNDS, sizeof *took, ascending);
  printf("%s %.1f %.1f\n", name, took[0], took[ROUNDS / 2]);
}

int main(int words, char **word) {
  if (words != 8)
    return 2;
  const char *program = word[1], *library = word[2], *model = word[3];
  count = atoi(word[5]);
  width = atoi(word[6]);
  rows = malloc(sizeof(double) * count * width);
  scores = malloc(sizeof(double) * count);
  entries = calloc(width, sizeof *entries);
  FILE *file = fopen(word[4], "rb");
  if (count % ROUND_ROWS || !file || fread(rows, sizeof(double) * width, count, file) != (size_t)count)
    return 2;
  void (*alone)(int);
  void (*some)(int, int);
  if (!strcmp(program, "lleaves")) {
    lleaves_batch = (lleaves_root *)find(library, "forest_root");
    lleaves_single = (lleaves_root *)find(model, "forest_root");
    alone = lleaves_alone, some = lleaves_some;
  } else if (!strcmp(program, "tl2cgen")) {
    tl2cgen = (tl2cgen_predict *)find(library, "predict");
    alone = tl2cgen_alone, some = tl2cgen_some;
  } else {
    lightgbm_create *create = (lightgbm_create *)find(library, "LGBM_BoosterCreateFromModelfile");
    lightgbm_fast_init *init =
        (lightgbm_fast_init *)find(library, "LGBM_BoosterPredictForMatSingleRowFastInit");
    fast_row = (lightgbm_fast *)find(library, "LGBM_BoosterPredictForMatSingleRowFast");
    many_rows = (lightgbm_rows *)find(library, "LGBM_BoosterPredictForMat");
    int rounds;
    if (create(model, &rounds, &booster) || init(booster, 0, 0, -1, 1, width, "num_threads=1", &fast))
      return 1;
    alone = lightgbm_alone, some = lightgbm_some;
  }
  for (int from = 0; from < count; from += ROUND_ROWS)
    some(from, from + ROUND_ROWS);
  file = fopen(word[7], "wb");
  if (!file || fwrite(scores, sizeof(double), count, file) != (size_t)count || fclose(file))
    return 1;
  measure("alone", alone, NULL);
  measure("batch", NULL, some);
  return 0;
}
