//go:build ignore

// The line above keeps Go, which allows no C files beside its own without cgo, from looking at this one.
//
// One training step of gossamer-nano on one CPU core. train.py compiles this file with the model's sizes as macros (HIDDEN, LAYERS, HEADS,
// KV, DIM, EXPERTS, TOPK, INTER, WINDOW, ALPHA, LIMIT, EPS) and calls it through ctypes. Its PyTorch code is the specification of
// everything here; `train.py check` compares the two. Matrices are row-major; a shape in a comment is [rows, columns].
//
// There are two ways to multiply. With TILES 1 the operands of products are bfloat16 and the processor multiplies them in tiles (AMX), with
// sums of float32; with TILES 0 they are float32 and OpenBLAS multiplies. In tiles products take the lesser part of the time, and what counts
// is that data stays in the cache: with PIECES 1 work goes in pieces small enough for that, and the backward pass computes the experts' first
// products again, which fit no cache. Attention's weights are made again in any case.
#define _GNU_SOURCE
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GROUP (HEADS / KV)                  // query heads that share a key head
#define QKV_ROWS ((HEADS + 2 * KV) * DIM)
#define HALF (DIM / 2)
#define QUERIES (PIECES ? 32 : 128)         // tokens whose attention is computed at a time
#define PIECE (PIECES ? 128 : 1 << 30)      // tokens whose queries, keys and values are computed at a time
#define ROWS (PIECES ? 32 : 1 << 30)        // rows and columns of an expert's products between which and what is done with
#define COLUMNS (PIECES ? 32 : INTER)       // them the results do not leave the cache
#define LOGITS (PIECES ? 32 : 128)          // rows of logits that are made at a time,
#define STRIP (PIECES ? 1024 : 1 << 30)     // for as many tokens of the vocabulary
#define TABLE (PIECES ? 512 : 1 << 30)      // rows of a table whose gradient is finished at a time

// The parameters in the order of layout() in train.py. at[i] is where parameter i begins in the flat buffer; the last is the buffer's size.
enum { EMBED, HEAD, EMBED_DIGITS, HEAD_DIGITS, COPY, NORM, FIRST };
enum { ATTN_NORM, QKV, QKV_BIAS, SINKS, O, O_BIAS, MLP_NORM, ROUTER, ROUTER_BIAS, W1, B1, W2, B2, PER_LAYER };
#define AT(n, which) at[FIRST + PER_LAYER * (n) + (which)]
#define PARAMETERS (FIRST + PER_LAYER * LAYERS)

typedef int64_t i64;

// ---- memory --------------------------------------------------------------------------------------------------------------

#define ROOM ((size_t)4 << 30)  // addresses, not memory: pages are there when they are used
static char *room;
static size_t used;

// Memory for as long as used is not set back, and what it holds undefined. The end is room for a vector more.
static void *take(size_t elements, size_t size) {
  size_t from = used;
  used += (elements * size + 127) / 64 * 64;
  if (used > ROOM) abort();
  return room + from;
}
#define FLOATS(n) ((float *)take((n), sizeof(float)))
#define OPERANDS(n) ((operand *)take((n), sizeof(operand)))
#define INTS(n) ((int *)take((n), sizeof(int)))

// ---- products of matrices ------------------------------------------------------------------------------------------------

typedef void Gemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                  float beta, float *c, int ldc);
static Gemm *gemm;  // cblas_sgemm

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
enum { FORWARD = 1, BACKWARD = 2 };  // what a Matrix is used for

#if TILES

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef uint16_t operand;  // bfloat16

// A matrix w [n, k], n and k multiples of 32, that rows are multiplied by. It is in tiles of 16 rows of 64 bytes: pairs of values along the
// dimension that is summed over, beside each other, of 16 rows or columns.
typedef struct {
  const operand *forward, *backward;  // pairs along k; pairs along n
  int forward_steps, backward_steps;  // from one column of tiles to the next
} Matrix;

#define TILE 512  // values of a tile
#define ALWAYS static inline __attribute__((always_inline))

static int width(int n) { return (n + 31) / 32 * 32; }  // columns of a matrix of operands with n columns; those past n are zero

static inline float widen(operand x) {
  union { uint32_t u; float f; } y = {(uint32_t)x << 16};
  return y.f;
}

static inline void narrow(operand *restrict to, const float *restrict from, int n) {  // n is a multiple of 16
  for (int i = 0; i < n; i += 16) _mm256_storeu_si256((__m256i *)(to + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
}

static inline void turn(__m512i t[16]) {  // transposes 16 rows of 16 values of 32 bits
  __m512i u[16];
  for (int i = 0; i < 16; i += 2) u[i] = _mm512_unpacklo_epi32(t[i], t[i + 1]), u[i + 1] = _mm512_unpackhi_epi32(t[i], t[i + 1]);
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; j++) {
      t[i + 2 * j] = _mm512_unpacklo_epi64(u[i + j], u[i + j + 2]);
      t[i + 2 * j + 1] = _mm512_unpackhi_epi64(u[i + j], u[i + j + 2]);
    }
  for (int i = 0; i < 4; i++) {  // t[4 * g + i] has, in its quarter q, column 4 * q + i of rows 4 * g to 4 * g + 3
    __m512i a = _mm512_shuffle_i32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_i32x4(t[i], t[i + 4], 0xdd);
    __m512i c = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0x88), d = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0xdd);
    u[i] = _mm512_shuffle_i32x4(a, c, 0x88), u[i + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
    u[i + 4] = _mm512_shuffle_i32x4(b, d, 0x88), u[i + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
  memcpy(t, u, sizeof u);
}

// Pairs of rows of x, from 32 rows (those from there on are zero) and 32 columns: low has the first 16 columns, high the others.
static inline void pair(__m512i low[16], __m512i high[16], const operand *x, int ld, int there) {
  __m512i first = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,  // of a, where 32 and more are b's
                                   39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
  for (int r = 0; r < 16; r++) {
    const operand *row = x + (size_t)2 * r * ld;
    __m512i a = _mm512_maskz_loadu_epi16(2 * r < there ? -1 : 0, row), b = _mm512_maskz_loadu_epi16(2 * r + 1 < there ? -1 : 0, row + ld);
    low[r] = _mm512_permutex2var_epi16(a, first, b), high[r] = _mm512_permutex2var_epi16(a, second, b);
  }
}

// Tiles of x [m, n], pairs of rows: to [n / 16, width(m) / 32] tiles, each row of tiles steps after the one before. n is a multiple of 32.
static void pack_pairs(operand *restrict to, const operand *restrict x, int m, int n, int ld, int steps) {
  for (int j = 0; j < n; j += 32)
    for (int i = 0; i < m; i += 32) {
      __m512i low[16], high[16];
      operand *tile = to + ((size_t)j / 16 * steps + i / 32) * TILE;
      pair(low, high, x + (size_t)i * ld + j, ld, m - i);
      for (int r = 0; r < 16; r++) _mm512_store_si512(tile + 32 * r, low[r]);
      for (int r = 0; r < 16; r++) _mm512_store_si512(tile + steps * TILE + 32 * r, high[r]);
    }
}

// x [m, n] transposed: to [n, width(m)], the columns past m zero. n is a multiple of 32.
static void transpose(operand *restrict to, const operand *restrict x, int m, int n, int ld) {
  int across = width(m);
  for (int j = 0; j < n; j += 32)
    for (int i = 0; i < m; i += 32) {
      __m512i low[16], high[16];
      operand *corner = to + (size_t)j * across + i;
      pair(low, high, x + (size_t)i * ld + j, ld, m - i);
      turn(low);
      for (int r = 0; r < 16; r++) _mm512_store_si512(corner + (size_t)r * across, low[r]);
      turn(high);
      for (int r = 0; r < 16; r++) _mm512_store_si512(corner + (size_t)(16 + r) * across, high[r]);
    }
}

// Tiles of x [n, k], pairs of columns: to [n / 16, k / 32] tiles. n is a multiple of 16, k of 32.
static void pack_columns(operand *restrict to, const operand *restrict x, int n, int k) {
  for (int i = 0; i < n; i += 16)
    for (int j = 0; j < k; j += 32, to += TILE) {
      __m512i t[16];
      for (int r = 0; r < 16; r++) t[r] = _mm512_loadu_si512(x + (size_t)(i + r) * k + j);
      turn(t);
      for (int r = 0; r < 16; r++) _mm512_store_si512(to + 32 * r, t[r]);
    }
}

static Matrix matrix(const operand *w, int n, int k, int uses) {
  Matrix x = {.forward_steps = k / 32, .backward_steps = n / 32};
  operand *f = uses & FORWARD ? OPERANDS((size_t)n * k) : 0, *b = uses & BACKWARD ? OPERANDS((size_t)n * k) : 0;
  if (f) pack_columns(f, w, n, k), x.forward = f;
  if (b) pack_pairs(b, w, n, k, k, n / 32), x.backward = b;
  return x;
}

// The packed form of parameters w [n, k], and rows of zeros up to width(n), which is at *at; *at is set to what comes after it.
static Matrix packed(operand **at, const float *w, int n, int k) {
  size_t size = (size_t)width(n) * k;
  Matrix x = {.forward = *at, .backward = *at + size, .forward_steps = k / 32, .backward_steps = width(n) / 32};
  *at += 2 * size;
  return x;
}

// Packs rows from to to of w [n, k] where x is; from is a multiple of 32, and so is to unless it is n.
static void pack(Matrix x, const float *w, int from, int to, int k) {
  enum { PART = 256 };
  size_t before = used;
  operand *rounded = OPERANDS(PART * k);
  for (int i = from; i < to; i += PART) {
    int count = to - i < PART ? to - i : PART, all = width(count);
    narrow(rounded, w + (size_t)i * k, count * k);
    memset(rounded + count * k, 0, (all - count) * k * sizeof(operand));
    pack_columns((operand *)x.forward + (size_t)i * k, rounded, all, k);
    pack_pairs((operand *)x.backward + (size_t)i / 32 * TILE, rounded, all, k, k, x.backward_steps);
  }
  used = before;
}

static Matrix rows_from(Matrix x, int row, int k) {  // the rows of x [n, k] from row, a multiple of 32
  if (x.forward) x.forward += (size_t)row / 16 * x.forward_steps * TILE;
  if (x.backward) x.backward += (size_t)row / 32 * TILE;
  return x;
}

static int sized;  // rows that tiles are set up for, or 0

// Sets the size of blocks of up to 2 * 2 tiles: the lower ones may have fewer than 16 rows, or none if the upper ones have fewer.
static void size_tiles(int rows) {
  if (rows == sized) return;
  sized = rows;
  struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config = {.palette = 1};
  for (int i = 0; i < 2; i++) {
    int r = i ? rows - 16 : rows < 16 ? rows : 16;
    config.rows[6 + i] = 16, config.bytes[6 + i] = 64;  // 6 and 7: the right operand
    if (r <= 0) continue;
    config.rows[4 + i] = r, config.bytes[4 + i] = 64;   // 4 and 5: the left operand
    for (int j = 0; j < 2; j++) config.rows[2 * i + j] = r, config.bytes[2 * i + j] = 64;  // 0 to 3: the result
  }
  __asm__ volatile("ldtilecfg %0" :: "m"(config));  // gcc's intrinsic does not say that it reads all of it
}

// c [rows, 16 or 32] = a b, or c += a b, of the size that is set
ALWAYS void tiles(float *c, int ldc, const operand *a, int lda, const operand *b, int ldb, int steps, int tall, int wide, int add) {
  size_t row = ldc * sizeof(float), from = lda * sizeof(operand);
  const operand *a1 = a + (size_t)16 * lda, *b1 = b + (size_t)ldb * TILE;
  if (add) {
    _tile_loadd(0, c, row);
    if (wide) _tile_loadd(1, c + 16, row);
    if (tall) _tile_loadd(2, c + 16 * ldc, row);
    if (tall && wide) _tile_loadd(3, c + 16 * ldc + 16, row);
  } else {
    _tile_zero(0);
    if (wide) _tile_zero(1);
    if (tall) _tile_zero(2);
    if (tall && wide) _tile_zero(3);
  }
  for (int s = 0; s < steps; s++) {
    _tile_loadd(4, a + s * 32, from);
    _tile_loadd(6, b + s * TILE, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (wide) {
      _tile_loadd(7, b1 + s * TILE, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (tall) {
      _tile_loadd(5, a1 + s * 32, from);
      _tile_dpbf16ps(2, 5, 6);
      if (wide) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, c, row);
  if (wide) _tile_stored(1, c + 16, row);
  if (tall) _tile_stored(2, c + 16 * ldc, row);
  if (tall && wide) _tile_stored(3, c + 16 * ldc + 16, row);
}

// c [m, n] = a [m, k] b [k, n], or c += a b; b is in tiles. n is a multiple of 16, k of 32. far: c is in no near cache, so it is fetched while the
// block before is computed.
ALWAYS void product(float *c, int ldc, const operand *a, int lda, const operand *b, int ldb, int m, int n, int k, int add, int far) {
  __asm__ volatile("" ::: "memory");  // compilers may not know that the tiles' instructions read and write memory
  for (int low = 0; low < 2; low++) {  // blocks of 32 rows, then the rest
    int i0 = low ? m / 32 * 32 : 0, i1 = low ? m : m / 32 * 32, rows = low ? m - i0 : 32;
    if (i0 == i1) continue;
    size_tiles(rows);
    for (int j = 0; j < n; j += 32)
      for (int i = i0; i < i1; i += 32) {
        const operand *ai = a + (size_t)i * lda, *bj = b + (size_t)j / 16 * ldb * TILE;
        float *to = c + (size_t)i * ldc + j;
        for (int r = 32; far && r < 64 && i + r < m; r++) {
          __builtin_prefetch(to + (size_t)r * ldc, 1);
          __builtin_prefetch(to + (size_t)r * ldc + 16, 1);
        }
        if (rows > 16 && n - j > 16) tiles(to, ldc, ai, lda, bj, ldb, k / 32, 1, 1, add);
        else if (rows > 16) tiles(to, ldc, ai, lda, bj, ldb, k / 32, 1, 0, add);
        else if (n - j > 16) tiles(to, ldc, ai, lda, bj, ldb, k / 32, 0, 1, add);
        else tiles(to, ldc, ai, lda, bj, ldb, k / 32, 0, 0, add);
      }
  }
  __asm__ volatile("" ::: "memory");
}

// y [m, n] = x [m, k] w[n, k]^T, or y += with add 1
static void forward(float *y, const operand *x, Matrix w, int m, int n, int k, int add) {
  product(y, n, x, k, w.forward, w.forward_steps, m, n, k, add, 0);
}

// dx [m, k] = dy [m, n] w [n, k], or dx += with add 1
static void backward(float *dx, const operand *dy, Matrix w, int m, int n, int k, int add) {
  product(dx, k, dy, n, w.backward, w.backward_steps, m, k, n, add, 0);
}

// Columns of forward's or backward's result: count of them from from on
static inline void forward_columns(float *y, const operand *x, Matrix w, int m, int from, int count, int k) {
  product(y, count, x, k, w.forward + (size_t)from / 16 * w.forward_steps * TILE, w.forward_steps, m, count, k, 0, 0);
}
static inline void backward_columns(float *dx, const operand *dy, Matrix w, int m, int n, int from, int count, int k) {
  product(dx, count, dy, n, w.backward + (size_t)from / 16 * w.backward_steps * TILE, w.backward_steps, m, count, n, 0, 0);
}

// dw [n, k] = dy [m, width(n)]^T x [m, k], or dw += with add 1; a row of dw is ld after the one before
static void outer(float *dw, int ld, const operand *dy, const operand *x, int m, int n, int k, int add) {
  enum { PART = 128 };
  size_t before = used;
  operand *a = OPERANDS((size_t)PART * width(m)), *b = OPERANDS((size_t)width(m) * k);
  pack_pairs(b, x, m, k, k, width(m) / 32);
  for (int j = 0; j < n; j += PART) {
    int rows = n - j < PART ? n - j : PART;
    transpose(a, dy + j, m, width(rows), width(n));
    product(dw + (size_t)j * ld, ld, a, width(m), b, width(m) / 32, rows, k, width(m), add, n > DIM);
  }
  used = before;
}

// Returns whether the kernel gives this process the tiles' registers: Linux does if asked.
static int ready(void) {
  enum { REQUEST = 0x1023, TILE_DATA = 18 };  // arch_prctl
  return !syscall(SYS_arch_prctl, REQUEST, TILE_DATA);
}

static void done(void) {  // others set tiles up in their own way
  _tile_release();
  sized = 0;
}

#else

typedef float operand;
typedef struct { const float *w; } Matrix;  // [n, k]

static int width(int n) { return n; }
static inline float widen(operand x) { return x; }
static inline void narrow(operand *restrict to, const float *restrict from, int n) { memcpy(to, from, n * sizeof(float)); }
static Matrix matrix(const operand *w, int n, int k, int uses) { return (Matrix){w}; }
static Matrix packed(operand **at, const float *w, int n, int k) { return (Matrix){w}; }
static void pack(Matrix x, const float *w, int from, int to, int k) {}
static Matrix rows_from(Matrix x, int row, int k) { return (Matrix){x.w + (size_t)row * k}; }
static int ready(void) { return 1; }
static void done(void) {}

static void forward(float *y, const operand *x, Matrix w, int m, int n, int k, int add) {
  if (m) gemm(ROW_MAJOR, PLAIN, TRANSPOSED, m, n, k, 1, x, k, w.w, k, add, y, n);
}
static void backward(float *dx, const operand *dy, Matrix w, int m, int n, int k, int add) {
  if (m) gemm(ROW_MAJOR, PLAIN, PLAIN, m, k, n, 1, dy, n, w.w, k, add, dx, k);
}
static void forward_columns(float *y, const operand *x, Matrix w, int m, int from, int count, int k) {
  if (m) gemm(ROW_MAJOR, PLAIN, TRANSPOSED, m, count, k, 1, x, k, w.w + (size_t)from * k, k, 0, y, count);
}
static void backward_columns(float *dx, const operand *dy, Matrix w, int m, int n, int from, int count, int k) {
  if (m) gemm(ROW_MAJOR, PLAIN, PLAIN, m, count, n, 1, dy, n, w.w + from, k, 0, dx, count);
}
static void outer(float *dw, int ld, const operand *dy, const operand *x, int m, int n, int k, int add) {
  gemm(ROW_MAJOR, TRANSPOSED, PLAIN, n, k, m, 1, dy, n, x, k, add, dw, ld);
}

#endif

// Prepares this process; returns whether it can compute. f is cblas_sgemm.
int setup(Gemm *f) {
  gemm = f;
  room = mmap(0, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return 0;
#ifdef MADV_HUGEPAGE
  madvise(room, ROOM, MADV_HUGEPAGE);
#endif
  return ready();
}

// ---- arithmetic ----------------------------------------------------------------------------------------------------------

// e^x with a relative error below 1e-6, in a form that compilers vectorise; x is clamped to where the result is a normal number
static inline float fast_exp(float x) {
  x = x < -87 ? -87 : x > 87 ? 87 : x;
  float n = rintf(x * 1.44269504f);
  float r = x - n * 0.693147181f;
  float y = 1 + r * (1 + r * (0.5f + r * (1.f / 6 + r * (1.f / 24 + r * (1.f / 120 + r * (1.f / 720))))));
  union { int32_t i; float f; } scale = {((int32_t)n + 127) << 23};
  return y * scale.f;
}

// 1 / x for x from 1 on, where a division would take most of a loop's time: a first guess with an error of 12 %, squared three times
static inline float inverse(float x) {
  union { float f; int32_t i; } y = {x};
  y.i = 0x7ef311c7 - y.i;
  for (int k = 0; k < 3; k++) y.f *= 2 - x * y.f;
  return y.f;
}

static inline void add(float *restrict sum, const float *restrict x, int n) {
  for (int j = 0; j < n; j++) sum[j] += x[j];
}

static inline float norm_forward(float *restrict t, const float *restrict x, const float *restrict w) {  // t, x, w [HIDDEN]
  float sum = 0;
  for (int j = 0; j < HIDDEN; j++) sum += x[j] * x[j];
  float r = 1 / sqrtf(sum / HIDDEN + EPS);
  for (int j = 0; j < HIDDEN; j++) t[j] = x[j] * r * w[j];
  return r;
}

// dx += the gradient of x that dt, the gradient of the norm's result, makes; [m, HIDDEN]
static void norm_backward(float *restrict dx, float *restrict dw, const float *restrict dt, const float *restrict inverse,
                          const float *restrict x, const float *restrict w, int m) {
  float sum[HIDDEN] = {0};
  for (int i = 0; i < m; i++, x += HIDDEN, dx += HIDDEN, dt += HIDDEN) {
    float r = inverse[i], inner = 0;
    for (int j = 0; j < HIDDEN; j++) {
      sum[j] += dt[j] * x[j] * r;
      inner += dt[j] * w[j] * x[j];
    }
    inner *= r * r * r / HIDDEN;
    for (int j = 0; j < HIDDEN; j++) dx[j] += dt[j] * w[j] * r - x[j] * inner;
  }
  add(dw, sum, HIDDEN);
}

// ---- attention -----------------------------------------------------------------------------------------------------------

// What a layer keeps for its backward pass. m is the number of rows after attention: all tokens, or in the last layer those asked for.
typedef struct {
  Matrix qkv, o, w1[EXPERTS], w2[EXPERTS];  // the parameters
  float *x, *norm1;                 // [T, HIDDEN] the layer's input; [T]
  operand *t;                       // [T, HIDDEN] its norm
  operand *q, *k, *v;               // [KV, T, GROUP, DIM] (scaled), [KV, T, DIM], [KV, T, DIM]
  float *top, *scale;               // [KV, T, GROUP] attention's weights are e^(score - top) * scale
  operand *a;                       // [m, HEADS * DIM]
  float *mid, *norm2;               // [m, HIDDEN] after attention; [m]
  operand *t2;                      // [m, HIDDEN] its norm
  float *weight;                    // [m, TOPK]
  int *chosen, *order, *bounds;     // [m, TOPK] experts; [m * TOPK] the indices of chosen sorted by expert; [EXPERTS + 1] where each begins
  float *h;                         // by expert, [rows, INTER] gates and as many ups; only without PIECES, which make them again
} Layer;

// A segment's queries and the keys they see, at positions from 0 on: those of the prefix, then its own
typedef struct {
  int begin, end, prefix;  // rows of its tokens; rows of the prefix
  int first, keys;         // the first query that is wanted; keys, rounded up to 32
} Segment;

static Segment segment(const i64 *cuts, int s, const char *wanted) {
  Segment x = {.begin = cuts[2 * s], .end = cuts[2 * s + 1]};
  x.prefix = x.begin ? cuts[1] : 0;
  x.first = x.begin;
  while (x.first < x.end && !wanted[x.first]) x.first++;  // all from there on are computed
  x.keys = (x.prefix + x.end - x.begin + 31) / 32 * 32;
  return x;
}

static operand *gather_keys(const operand *from, Segment x) {  // [keys, DIM], zero past the last; from [T, DIM]
  operand *to = OPERANDS(x.keys * DIM);
  int own = x.end - x.begin;
  memcpy(to, from, x.prefix * DIM * sizeof(operand));
  memcpy(to + x.prefix * DIM, from + x.begin * DIM, own * DIM * sizeof(operand));
  memset(to + (x.prefix + own) * DIM, 0, (x.keys - x.prefix - own) * DIM * sizeof(operand));
  return to;
}

// Some queries of one segment, and the keys they may see, in whole blocks of 32
typedef struct { int row, count, position, lo, keys; } Queries;  // the first's row and position; the first key and how many

static Queries queries(Segment x, int row, int window) {
  Queries q = {.row = row, .count = x.end - row < QUERIES ? x.end - row : QUERIES, .position = x.prefix + row - x.begin};
  q.lo = window && q.position >= window ? (q.position - window + 1) / 32 * 32 : 0;
  q.keys = (q.position + q.count - q.lo + 31) / 32 * 32;
  return q;
}

// The keys that query r (of all heads') of q sees, from first to last
#define SEEN(q, r, first, last) int last = q.position + (r) / GROUP - q.lo, first = window && last >= window ? last - window + 1 : 0

// a [rows asked for, HEADS * DIM]; row_of [T] is a token's row in it, or -1
static void attention_forward(Layer *l, operand *a, const float *sinks, const i64 *cuts, int count, int T, int window, const char *wanted,
                              const int *row_of) {
  for (int s = 0; s < count; s++)
    for (int kv = 0; kv < KV; kv++) {
      size_t before = used;
      Segment x = segment(cuts, s, wanted);
      if (x.first == x.end) continue;
      Matrix k = matrix(gather_keys(l->k + (size_t)kv * T * DIM, x), x.keys, DIM, FORWARD);
      Matrix v = matrix(gather_keys(l->v + (size_t)kv * T * DIM, x), x.keys, DIM, BACKWARD);
      float *scores = FLOATS(QUERIES * GROUP * x.keys), *out = FLOATS(QUERIES * GROUP * DIM);
      operand *p = OPERANDS(QUERIES * GROUP * x.keys);
      for (int row = x.first; row < x.end; row += QUERIES) {
        Queries q = queries(x, row, window);
        size_t at = ((size_t)kv * T + row) * GROUP;
        forward(scores, l->q + at * DIM, rows_from(k, q.lo, DIM), q.count * GROUP, q.keys, DIM, 0);
        for (int r = 0; r < q.count * GROUP; r++) {
          float *restrict z = scores + (size_t)r * q.keys;
          SEEN(q, r, first, last);
          float sink = sinks[kv * GROUP + r % GROUP], top = sink, sum = 0;
          int from = first / 16 * 16, to = last / 16 * 16 + 16;
          for (int j = from; j < to; j += 16)
            for (int i = j; i < j + 16; i++) {
              z[i] = i >= first && i <= last ? z[i] : -1e30f;
              top = z[i] > top ? z[i] : top;
            }
          for (int j = from; j < to; j += 16)
            for (int i = j; i < j + 16; i++) sum += z[i] = fast_exp(z[i] - top);
          l->top[at + r] = top, l->scale[at + r] = 1 / (sum + fast_exp(sink - top));
          for (int j = 0; j < from; j++) z[j] = 0;
          for (int j = to; j < q.keys; j++) z[j] = 0;
          narrow(p + (size_t)r * q.keys, z, q.keys);
        }
        backward(out, p, rows_from(v, q.lo, DIM), q.count * GROUP, q.keys, DIM, 0);
        for (int r = 0; r < q.count * GROUP; r++) {
          int to = row_of[row + r / GROUP];
          float *restrict y = out + r * DIM, scale = l->scale[at + r];
          for (int j = 0; j < DIM; j++) y[j] *= scale;
          if (to >= 0) narrow(a + ((size_t)to * HEADS + kv * GROUP + r % GROUP) * DIM, y, DIM);
        }
      }
      used = before;
    }
}

// dq, dk and dv, shaped as q, k and v, are zero at first; dout [KV, T, GROUP, DIM]
static void attention_backward(const Layer *l, float *dq, float *dk, float *dv, const float *sinks, float *dsinks, const operand *dout,
                               const i64 *cuts, int count, int T, int window, const char *wanted) {
  for (int s = 0; s < count; s++)
    for (int kv = 0; kv < KV; kv++) {
      size_t before = used;
      Segment x = segment(cuts, s, wanted);
      if (x.first == x.end) continue;
      Matrix k = matrix(gather_keys(l->k + (size_t)kv * T * DIM, x), x.keys, DIM, FORWARD | BACKWARD);
      Matrix v = matrix(gather_keys(l->v + (size_t)kv * T * DIM, x), x.keys, DIM, FORWARD);
      float *scores = FLOATS(QUERIES * GROUP * x.keys), *dp = FLOATS(QUERIES * GROUP * x.keys);
      float *dkk = FLOATS(DIM * x.keys), *dvv = FLOATS(DIM * x.keys);  // transposed
      operand *p = OPERANDS(QUERIES * GROUP * x.keys), *ds = OPERANDS(QUERIES * GROUP * x.keys);
      memset(dkk, 0, DIM * x.keys * sizeof(float));
      memset(dvv, 0, DIM * x.keys * sizeof(float));
      for (int row = x.first; row < x.end; row += QUERIES) {
        Queries q = queries(x, row, window);
        size_t at = ((size_t)kv * T + row) * GROUP;
        int rows = q.count * GROUP;
        forward(scores, l->q + at * DIM, rows_from(k, q.lo, DIM), rows, q.keys, DIM, 0);
        forward(dp, dout + at * DIM, rows_from(v, q.lo, DIM), rows, q.keys, DIM, 0);
        for (int r = 0; r < rows; r++) {
          float *restrict z = scores + (size_t)r * q.keys, *restrict d = dp + (size_t)r * q.keys;
          SEEN(q, r, first, last);
          float top = l->top[at + r], scale = l->scale[at + r], inner = 0;
          int from = first / 16 * 16, to = last / 16 * 16 + 16;
          for (int j = from; j < to; j += 16)
            for (int i = j; i < j + 16; i++) {
              float w = i >= first && i <= last ? fast_exp(z[i] - top) * scale : 0;
              z[i] = w;
              inner += w * d[i];
            }
          dsinks[kv * GROUP + r % GROUP] -= inner * fast_exp(sinks[kv * GROUP + r % GROUP] - top) * scale;
          for (int j = 0; j < from; j++) z[j] = d[j] = 0;
          for (int j = from; j < to; j += 16)
            for (int i = j; i < j + 16; i++) d[i] = z[i] * (d[i] - inner);
          for (int j = to; j < q.keys; j++) z[j] = d[j] = 0;
          narrow(p + (size_t)r * q.keys, z, q.keys);
          narrow(ds + (size_t)r * q.keys, d, q.keys);
        }
        backward(dq + at * DIM, ds, rows_from(k, q.lo, DIM), rows, q.keys, DIM, 0);
        outer(dkk + q.lo, x.keys, l->q + at * DIM, ds, rows, DIM, q.keys, 1);
        outer(dvv + q.lo, x.keys, dout + at * DIM, p, rows, DIM, q.keys, 1);
      }
      for (int i = 0; i < x.prefix + x.end - x.begin; i++) {
        size_t to = ((size_t)kv * T + (i < x.prefix ? i : x.begin + i - x.prefix)) * DIM;
        for (int j = 0; j < DIM; j++) {
          dk[to + j] += dkk[(size_t)j * x.keys + i];
          dv[to + j] += dvv[(size_t)j * x.keys + i];
        }
      }
      used = before;
    }
}

// One token's heads x [DIM] plus bias, times scale, rotated by (c, s) [HALF]
static inline void rotate(operand *to, const float *restrict x, const float *restrict bias, const float *restrict c, const float *restrict s,
                          float scale) {
  float y[DIM];
  for (int j = 0; j < HALF; j++) {
    float even = (x[j] + bias[j]) * scale, odd = (x[j + HALF] + bias[j + HALF]) * scale;
    y[j] = even * c[j] - odd * s[j];
    y[j + HALF] = odd * c[j] + even * s[j];
  }
  narrow(to, y, DIM);
}

static inline void rotate_back(float *restrict to, const float *restrict x, const float *restrict c, const float *restrict s, float scale) {
  for (int j = 0; j < HALF; j++) {
    float even = x[j] * scale, odd = x[j + HALF] * scale;
    to[j] = even * c[j] + odd * s[j];
    to[j + HALF] = odd * c[j] - even * s[j];
  }
}

// The queries, keys and values of tokens t [T, HIDDEN]; bias [QKV_ROWS]; c, s: rope's tables
static void heads_forward(Layer *l, const float *bias, const float *c, const float *s, const i64 *positions, int T) {
  size_t before = used;
  int most = T < PIECE ? T : PIECE;
  float *qkv = FLOATS((size_t)most * QKV_ROWS);
  for (int first = 0; first < T; first += most) {
    int count = T - first < most ? T - first : most;
    forward(qkv, l->t + (size_t)first * HIDDEN, l->qkv, count, QKV_ROWS, HIDDEN, 0);
    for (int i = first; i < first + count; i++) {
      const float *x = qkv + (size_t)(i - first) * QKV_ROWS, *ci = c + positions[i] * HALF, *si = s + positions[i] * HALF;
      for (int h = 0; h < HEADS; h++)
        rotate(l->q + (((size_t)h / GROUP * T + i) * GROUP + h % GROUP) * DIM, x + h * DIM, bias + h * DIM, ci, si, 1 / sqrtf(DIM));
      for (int h = 0; h < KV; h++) {
        int k = (HEADS + h) * DIM, v = (HEADS + KV + h) * DIM;
        float y[DIM];
        rotate(l->k + ((size_t)h * T + i) * DIM, x + k, bias + k, ci, si, 1);
        for (int j = 0; j < DIM; j++) y[j] = x[v + j] + bias[v + j];
        narrow(l->v + ((size_t)h * T + i) * DIM, y, DIM);
      }
    }
  }
  used = before;
}

// dt [T, HIDDEN] = the gradient of t that those of queries, keys and values make; dw and dbias get
// the parameters'. more: dw is added to.
static void heads_backward(const Layer *l, float *dt, float *dw, float *dbias, int more, const float *dq, const float *dk, const float *dv,
                           const float *c, const float *s, const i64 *positions, int T) {
  size_t before = used;
  operand *dqkv = OPERANDS((size_t)T * QKV_ROWS);
  float sum[QKV_ROWS] = {0};
  for (int i = 0; i < T; i++) {
    float x[QKV_ROWS];
    const float *ci = c + positions[i] * HALF, *si = s + positions[i] * HALF;
    for (int h = 0; h < HEADS; h++)
      rotate_back(x + h * DIM, dq + (((size_t)h / GROUP * T + i) * GROUP + h % GROUP) * DIM, ci, si, 1 / sqrtf(DIM));
    for (int h = 0; h < KV; h++) {
      rotate_back(x + (HEADS + h) * DIM, dk + ((size_t)h * T + i) * DIM, ci, si, 1);
      memcpy(x + (HEADS + KV + h) * DIM, dv + ((size_t)h * T + i) * DIM, DIM * sizeof(float));
    }
    add(sum, x, QKV_ROWS);
    narrow(dqkv + (size_t)i * QKV_ROWS, x, QKV_ROWS);
  }
  add(dbias, sum, QKV_ROWS);
  outer(dw, HIDDEN, dqkv, l->t, T, QKV_ROWS, HIDDEN, more);
  backward(dt, dqkv, l->qkv, T, QKV_ROWS, HIDDEN, 0);
  used = before;
}

// ---- experts -------------------------------------------------------------------------------------------------------------

// Chooses a token's experts by its z [EXPERTS], of which the chosen are lost, and says how much each counts.
static void choose(int *chosen, float *weight, float *z) {
  float sum = 0;
  for (int k = 0; k < TOPK; k++) {
    int best = 0;
    for (int e = 1; e < EXPERTS; e++)
      if (z[e] > z[best]) best = e;
    chosen[k] = best;
    weight[k] = z[best];
    z[best] = -1e30f;
  }
  for (int k = TOPK - 1; k >= 0; k--) sum += weight[k] = fast_exp(weight[k] - weight[0]);  // weight[0] is the largest, and used until the end
  for (int k = 0; k < TOPK; k++) weight[k] /= sum;
}

static void gather_rows(operand *restrict to, const operand *restrict from, const int *order, int rows) {  // [rows, HIDDEN]
  for (int i = 0; i < rows; i++) {
    const char *row = (const char *)(from + order[i] / TOPK * HIDDEN);
    for (size_t j = 0; j < HIDDEN * sizeof(operand); j += 64) memcpy((char *)(to + i * HIDDEN) + j, row + j, 64);  // so short that it is no call
  }
}

// out [m, HIDDEN] = mid plus the chosen experts' outputs, weighted
static void experts_forward(Layer *l, int n, float *restrict out, const float *p, const i64 *at, int m) {
  const float *restrict norm = p + AT(n, MLP_NORM), *restrict router = p + AT(n, ROUTER);
  int count[EXPERTS + 1] = {0};
  for (int i = 0; i < m; i++) {
    float t[HIDDEN], z[EXPERTS];
    l->norm2[i] = norm_forward(t, l->mid + (size_t)i * HIDDEN, norm);
    narrow(l->t2 + (size_t)i * HIDDEN, t, HIDDEN);
    for (int e = 0; e < EXPERTS; e++) {  // what decides between experts is not rounded
      float sum = 0;
      for (int j = 0; j < HIDDEN; j++) sum += t[j] * router[e * HIDDEN + j];
      z[e] = sum + p[AT(n, ROUTER_BIAS) + e];
    }
    choose(l->chosen + i * TOPK, l->weight + i * TOPK, z);
    for (int k = 0; k < TOPK; k++) count[l->chosen[i * TOPK + k] + 1]++;
  }
  for (int e = 0; e < EXPERTS; e++) count[e + 1] += count[e];
  memcpy(l->bounds, count, sizeof count);
  for (int i = 0; i < m * TOPK; i++) l->order[count[l->chosen[i]]++] = i;
  memcpy(out, l->mid, (size_t)m * HIDDEN * sizeof(float));

  for (int e = 0; e < EXPERTS; e++) {
    size_t before = used;
    int first = l->bounds[e], rows = l->bounds[e + 1] - first, most = rows < ROWS ? rows : ROWS;
    const int *order = l->order + first;
    const float *restrict b1 = p + AT(n, B1) + e * 2 * INTER, *restrict b2 = p + AT(n, B2) + e * HIDDEN;
    operand *x = OPERANDS(rows * HIDDEN), *a = OPERANDS(rows * INTER);
    float *spare = FLOATS(most * 2 * INTER), *y = FLOATS(most * HIDDEN);
    gather_rows(x, l->t2, order, rows);
    for (int c = 0; c < INTER; c += COLUMNS)
      for (int i = 0; i < rows; i += most) {
        int count = rows - i < most ? rows - i : most;
        float *gates = PIECES ? spare : l->h + (size_t)first * 2 * INTER, *ups = gates + count * COLUMNS;
        forward_columns(gates, x + i * HIDDEN, l->w1[e], count, c, COLUMNS, HIDDEN);
        forward_columns(ups, x + i * HIDDEN, l->w1[e], count, INTER + c, COLUMNS, HIDDEN);
        for (int r = 0; r < count; r++) {
          const float *restrict g = gates + r * COLUMNS, *restrict u = ups + r * COLUMNS;
          float to[COLUMNS];
          for (int j = 0; j < COLUMNS; j++) {
            float gate = g[j] + b1[c + j], up = u[j] + b1[INTER + c + j];
            gate = gate > LIMIT ? LIMIT : gate;
            up = up > LIMIT ? LIMIT : up < -LIMIT ? -LIMIT : up;
            to[j] = gate * inverse(1 + fast_exp(-ALPHA * gate)) * (up + 1);
          }
          narrow(a + (i + r) * INTER + c, to, COLUMNS);
        }
      }
    for (int c = 0; c < HIDDEN; c += COLUMNS)
      for (int i = 0; i < rows; i += most) {
        int count = rows - i < most ? rows - i : most;
        forward_columns(y, a + i * INTER, l->w2[e], count, c, COLUMNS, INTER);
        for (int r = 0; r < count; r++) {
          float w = l->weight[order[i + r]], *restrict to = out + order[i + r] / TOPK * HIDDEN + c;
          const float *restrict yr = y + r * COLUMNS, *restrict b = b2 + c;
          for (int j = 0; j < COLUMNS; j++) to[j] += w * (yr[j] + b[j]);
        }
      }
    used = before;
  }
}

// dt [m, HIDDEN] = the gradient of the experts' and the router's input, of dout [m, HIDDEN]. more: the matrices' gradients are added to
static void experts_backward(const Layer *l, int n, float *restrict dt, const operand *restrict dout, const float *p, float *g, const i64 *at,
                             int m, int more) {
  size_t before = used;
  float *dweight = FLOATS(m * TOPK);
  memset(dt, 0, (size_t)m * HIDDEN * sizeof(float));
  for (int e = 0; e < EXPERTS; e++) {
    size_t before = used;
    int first = l->bounds[e], rows = l->bounds[e + 1] - first, most = rows < ROWS ? rows : ROWS;
    const int *order = l->order + first;
    const float *restrict b1 = p + AT(n, B1) + e * 2 * INTER, *restrict b2 = p + AT(n, B2) + e * HIDDEN;
    operand *x = OPERANDS(rows * HIDDEN), *d = OPERANDS(rows * HIDDEN), *a = OPERANDS(rows * INTER), *dh = OPERANDS(rows * 2 * INTER);
    float *da = FLOATS(most * INTER), *dx = FLOATS(most * HIDDEN), *spare = FLOATS(most * 2 * INTER), *inner = FLOATS(rows);
    float db1[2 * INTER] = {0}, db2[HIDDEN] = {0};
    gather_rows(x, l->t2, order, rows);
    gather_rows(d, dout, order, rows);
    for (int i = 0; i < rows; i++) {
      const operand *restrict di = d + i * HIDDEN;
      float w = l->weight[order[i]], sum = 0;
      for (int j = 0; j < HIDDEN; j++) {
        float dj = widen(di[j]);
        sum += dj * b2[j];
        db2[j] += w * dj;
      }
      inner[i] = sum;
    }
    for (int c = 0; c < INTER; c += COLUMNS)
      for (int i = 0; i < rows; i += most) {
        int count = rows - i < most ? rows - i : most;
        float *gates = PIECES ? spare : l->h + (size_t)first * 2 * INTER, *ups = gates + count * COLUMNS;
        if (PIECES) {
          forward_columns(gates, x + i * HIDDEN, l->w1[e], count, c, COLUMNS, HIDDEN);
          forward_columns(ups, x + i * HIDDEN, l->w1[e], count, INTER + c, COLUMNS, HIDDEN);
        }
        // Of an output not yet weighted: its inner product with a is part of the weight's gradient
        backward_columns(da, d + i * HIDDEN, l->w2[e], count, HIDDEN, c, COLUMNS, INTER);
        for (int r = 0; r < count; r++) {
          float w = l->weight[order[i + r]], ai[COLUMNS], dgates[COLUMNS], dups[COLUMNS], sum = 0;
          const float *restrict g = gates + r * COLUMNS, *restrict u = ups + r * COLUMNS, *restrict dar = da + r * COLUMNS;
          for (int j = 0; j < COLUMNS; j++) {
            float gj = g[j] + b1[c + j], uj = u[j] + b1[INTER + c + j];
            float gate = gj > LIMIT ? LIMIT : gj, up = (uj > LIMIT ? LIMIT : uj < -LIMIT ? -LIMIT : uj) + 1;
            float sig = inverse(1 + fast_exp(-ALPHA * gate)), silu = gate * sig, dy = dar[j];
            sum += dy * silu * up;
            ai[j] = w * silu * up;
            dgates[j] = gj <= LIMIT ? w * dy * up * (sig + ALPHA * silu * (1 - sig)) : 0;
            dups[j] = uj <= LIMIT && uj >= -LIMIT ? w * dy * silu : 0;
          }
          inner[i + r] += sum;
          add(db1 + c, dgates, COLUMNS);
          add(db1 + INTER + c, dups, COLUMNS);
          narrow(a + (i + r) * INTER + c, ai, COLUMNS);
          narrow(dh + (i + r) * 2 * INTER + c, dgates, COLUMNS);
          narrow(dh + (i + r) * 2 * INTER + INTER + c, dups, COLUMNS);
        }
      }
    for (int i = 0; i < rows; i++) dweight[order[i]] = inner[i];
    outer(g + AT(n, W2) + e * HIDDEN * INTER, INTER, d, a, rows, HIDDEN, INTER, more);
    outer(g + AT(n, W1) + e * 2 * INTER * HIDDEN, HIDDEN, dh, x, rows, 2 * INTER, HIDDEN, more);
    for (int c = 0; c < HIDDEN; c += COLUMNS)
      for (int i = 0; i < rows; i += most) {
        int count = rows - i < most ? rows - i : most;
        backward_columns(dx, dh + i * 2 * INTER, l->w1[e], count, 2 * INTER, c, COLUMNS, HIDDEN);
        for (int r = 0; r < count; r++) add(dt + order[i + r] / TOPK * HIDDEN + c, dx + r * COLUMNS, COLUMNS);
      }
    add(g + AT(n, B1) + e * 2 * INTER, db1, 2 * INTER);
    add(g + AT(n, B2) + e * HIDDEN, db2, HIDDEN);
    used = before;
  }
  const float *restrict router = p + AT(n, ROUTER);
  float *restrict drouter = g + AT(n, ROUTER), *restrict dbias = g + AT(n, ROUTER_BIAS);
  for (int i = 0; i < m; i++) {
    const float *w = l->weight + i * TOPK, *dw = dweight + i * TOPK;
    const operand *restrict t = l->t2 + (size_t)i * HIDDEN;
    float inner = 0, *restrict to = dt + (size_t)i * HIDDEN;
    for (int k = 0; k < TOPK; k++) inner += w[k] * dw[k];
    for (int k = 0; k < TOPK; k++) {
      int e = l->chosen[i * TOPK + k];
      float dr = w[k] * (dw[k] - inner);
      dbias[e] += dr;
      for (int j = 0; j < HIDDEN; j++) {
        drouter[e * HIDDEN + j] += dr * widen(t[j]);
        to[j] += dr * router[e * HIDDEN + j];
      }
    }
  }
  used = before;
}

// ---- a block of dialogues ------------------------------------------------------------------------------------------------

// The sum of the cross entropies of targets [m] after the last layer's x [m, HIDDEN]; dx, zero at first, gets the gradient. more: the
// table's gradient is added to.
//
// Probabilities are e^(logit - the row's largest in its strip of the vocabulary), as operands, times a factor of row and strip that is known
// after all strips. So each strip of the table is read once for the logits and once for the gradients.
static double head(Matrix w, const float *p, float *g, const i64 *at, int vocab, const float *x, float *dx, const i64 *targets, int m,
                   float log_unused, int more) {
  size_t before = used;
  int wide = width(vocab), strip = wide < STRIP ? wide : STRIP, strips = (wide + strip - 1) / strip;
  float *tf = FLOATS((size_t)m * HIDDEN), *inverse = FLOATS(m), *z = FLOATS((size_t)LOGITS * strip);
  float *dt = FLOATS((size_t)m * HIDDEN), *part = FLOATS((size_t)m * HIDDEN);
  operand *t = OPERANDS((size_t)m * HIDDEN), *powers = OPERANDS((size_t)m * wide);  // [strips, m, columns of the strip]
  float (*factor)[m] = (void *)FLOATS((size_t)strips * m), (*sum)[m] = (void *)FLOATS((size_t)strips * m);
  double loss = 0;
  for (int i = 0; i < m; i++) inverse[i] = norm_forward(tf + (size_t)i * HIDDEN, x + (size_t)i * HIDDEN, p + at[NORM]);
  narrow(t, tf, m * HIDDEN);
  float *right = FLOATS(m);  // the targets' logits, then their probabilities
  for (int s = 0; s < strips; s++) {
    int from = s * strip, columns = wide - from < strip ? wide - from : strip, known = vocab - from < strip ? vocab - from : strip;
    for (int i = 0; i < m; i += LOGITS) {
      int rows = m - i < LOGITS ? m - i : LOGITS;
      forward_columns(z, t + (size_t)i * HIDDEN, w, rows, from, columns, HIDDEN);
      for (int r = i; r < i + rows; r++) {
        float *restrict zr = z + (size_t)(r - i) * columns, top = -1e30f, total = 0;
        if (s == 0) zr[0] += log_unused;  // row 0 stands for all unused ids
        for (int j = 0; j < known; j++) top = zr[j] > top ? zr[j] : top;
        if (targets[r] >= from && targets[r] < from + columns) right[r] = zr[targets[r] - from];
        for (int j = 0; j < known; j++) total += zr[j] = fast_exp(zr[j] - top);
        for (int j = known; j < columns; j++) zr[j] = 0;
        narrow(powers + (size_t)from * m + (size_t)r * columns, zr, columns);
        factor[s][r] = top, sum[s][r] = total;
      }
    }
  }
  for (int r = 0; r < m; r++) {
    float top = factor[0][r], total = 0;
    for (int s = 1; s < strips; s++) top = factor[s][r] > top ? factor[s][r] : top;
    for (int s = 0; s < strips; s++) total += sum[s][r] * (factor[s][r] = fast_exp(factor[s][r] - top));
    for (int s = 0; s < strips; s++) factor[s][r] /= total;
    loss += top - right[r] + log(total);
    right[r] = fast_exp(right[r] - top) / total;
  }
  memset(dt, 0, (size_t)m * HIDDEN * sizeof(float));
  for (int s = 0; s < strips; s++) {
    int from = s * strip, columns = wide - from < strip ? wide - from : strip, known = vocab - from < strip ? vocab - from : strip;
    const operand *power = powers + (size_t)from * m;
    backward(part, power, rows_from(w, from, HIDDEN), m, columns, HIDDEN, 0);
    for (int r = 0; r < m; r++) {
      float f = factor[s][r], row[HIDDEN], *restrict to = dt + (size_t)r * HIDDEN;
      for (int j = 0; j < HIDDEN; j++) {
        to[j] += f * part[(size_t)r * HIDDEN + j];
        row[j] = f * tf[(size_t)r * HIDDEN + j];
      }
      narrow(t + (size_t)r * HIDDEN, row, HIDDEN);
    }
    outer(g + at[HEAD] + (i64)from * HIDDEN, HIDDEN, power, t, m, known, HIDDEN, more);
    // The targets' part: their probabilities less one. They are near one, so what the products had of them is taken back as they had it.
    for (int r = 0; r < m; r++) {
      if (targets[r] < from || targets[r] >= from + columns) continue;
      float f = factor[s][r], power_r = widen(power[(size_t)r * columns + targets[r] - from]);
      float *restrict to = dt + (size_t)r * HIDDEN, *restrict gt = g + at[HEAD] + targets[r] * HIDDEN;
      const float *restrict wt = p + at[HEAD] + targets[r] * HIDDEN, *restrict tr = tf + (size_t)r * HIDDEN;
      operand rounded[HIDDEN];
      narrow(rounded, wt, HIDDEN);
      for (int j = 0; j < HIDDEN; j++) {
        to[j] += (right[r] - 1) * wt[j] - f * power_r * widen(rounded[j]);
        gt[j] += (right[r] - 1) * tr[j] - power_r * widen(t[(size_t)r * HIDDEN + j]);
      }
    }
  }
  norm_backward(dx, g + at[NORM], dt, inverse, x, p + at[NORM], m);
  used = before;
  return loss;
}

// Finds the matrices of all layers, and returns that of the head.
static Matrix locate(Layer *layers, void *packing, const float *p, const i64 *at, int vocab) {
  operand *next = packing;
  Matrix table = packed(&next, p + at[HEAD], vocab, HIDDEN);
  for (int n = 0; n < LAYERS; n++) {
    layers[n].qkv = packed(&next, p + AT(n, QKV), QKV_ROWS, HIDDEN);
    layers[n].o = packed(&next, p + AT(n, O), HIDDEN, HEADS * DIM);
    for (int e = 0; e < EXPERTS; e++) layers[n].w1[e] = packed(&next, p + AT(n, W1) + e * 2 * INTER * HIDDEN, 2 * INTER, HIDDEN);
    for (int e = 0; e < EXPERTS; e++) layers[n].w2[e] = packed(&next, p + AT(n, W2) + e * HIDDEN * INTER, HIDDEN, INTER);
  }
  return table;
}

// Returns the loss, summed over the rows whose target is known (not 0), and adds its gradient at parameters p, packed in packing, to g.
// tokens and positions [T]; cuts [count, 2]: (begin, end) of the prefix that the dialogues share, then of each dialogue's own tokens; rows
// (ascending) and targets [asked]; c and s: rope's tables [positions, HALF]. The first block of a step sets g, the others add to it.
double block(const float *p, void *packing, float *g, const i64 *at, int vocab, const i64 *tokens, const i64 *positions, int T, const i64 *cuts,
             int count, const i64 *all_rows, const i64 *all_targets, int asked, const float *c, const float *s, float log_unused, int first) {
  used = 0;
  Layer layers[LAYERS];
  Matrix table = locate(layers, packing, p, at, vocab);
  float *x = FLOATS((size_t)T * HIDDEN);
  i64 rows[asked + 1], targets[asked + 1];
  char wanted[2][T + 1];      // queries that a layer before the last, and the last one, needs
  int row_of[2][T + 1], m = 0;  // where they are after attention, or -1
  for (int i = 0; i < T; i++) wanted[0][i] = 1, row_of[0][i] = i, wanted[1][i] = 0, row_of[1][i] = -1;
  for (int i = 0; i < asked; i++)
    if (all_targets[i]) wanted[1][all_rows[i]] = 1, row_of[1][all_rows[i]] = m, rows[m] = all_rows[i], targets[m++] = all_targets[i];
  for (int i = 0; i < PARAMETERS && first; i++) {
    int which = i < FIRST ? -1 : (i - FIRST) % PER_LAYER;
    int product = i == HEAD || which == QKV || which == O || which == W1 || which == W2;  // these are set, not added to
    if (!product || !m) memset(g + at[i], 0, (at[i + 1] - at[i]) * sizeof(float));
  }
  if (!m) return 0;
  for (int i = 0; i < T; i++) memcpy(x + i * HIDDEN, p + at[EMBED] + tokens[i] * HIDDEN, HIDDEN * sizeof(float));

  for (int n = 0; n < LAYERS; n++) {
    Layer *l = &layers[n];
    int last = n == LAYERS - 1, mm = last ? m : T;
    l->x = x, l->t = OPERANDS((size_t)T * HIDDEN), l->norm1 = FLOATS(T);
    l->q = OPERANDS((size_t)T * HEADS * DIM), l->k = OPERANDS((size_t)T * KV * DIM), l->v = OPERANDS((size_t)T * KV * DIM);
    l->top = FLOATS((size_t)T * HEADS), l->scale = FLOATS((size_t)T * HEADS);
    l->a = OPERANDS((size_t)mm * HEADS * DIM), l->mid = FLOATS((size_t)mm * HIDDEN), l->t2 = OPERANDS((size_t)mm * HIDDEN), l->norm2 = FLOATS(mm);
    l->weight = FLOATS(mm * TOPK), l->chosen = INTS(mm * TOPK), l->order = INTS(mm * TOPK), l->bounds = INTS(EXPERTS + 1);
    l->h = PIECES ? 0 : FLOATS((size_t)mm * TOPK * 2 * INTER);
    for (int i = 0; i < T; i++) {
      float t[HIDDEN];
      l->norm1[i] = norm_forward(t, x + (size_t)i * HIDDEN, p + AT(n, ATTN_NORM));
      narrow(l->t + (size_t)i * HIDDEN, t, HIDDEN);
    }
    heads_forward(l, p + AT(n, QKV_BIAS), c, s, positions, T);
    attention_forward(l, l->a, p + AT(n, SINKS), cuts, count, T, n % 2 ? 0 : WINDOW, wanted[last], row_of[last]);
    for (int i = 0; i < mm; i++) {
      const float *restrict from = x + (last ? rows[i] : i) * HIDDEN, *restrict bias = p + AT(n, O_BIAS);
      float *restrict to = l->mid + (size_t)i * HIDDEN;
      for (int j = 0; j < HIDDEN; j++) to[j] = from[j] + bias[j];
    }
    forward(l->mid, l->a, l->o, mm, HIDDEN, HEADS * DIM, 1);
    x = FLOATS((size_t)mm * HIDDEN);
    experts_forward(l, n, x, p, at, mm);
  }

  float *dx = FLOATS((size_t)T * HIDDEN), *dt = FLOATS((size_t)T * HIDDEN), *da = FLOATS((size_t)T * HEADS * DIM);
  operand *dy = OPERANDS((size_t)T * HIDDEN), *dheads = OPERANDS((size_t)T * HEADS * DIM);
  float *dq = FLOATS((size_t)T * HEADS * DIM), *dk = FLOATS((size_t)T * KV * DIM), *dv = FLOATS((size_t)T * KV * DIM);
  memset(dx, 0, (size_t)m * HIDDEN * sizeof(float));
  double loss = head(table, p, g, at, vocab, x, dx, targets, m, log_unused, !first);
  for (int n = LAYERS - 1; n >= 0; n--) {
    Layer *l = &layers[n];
    int last = n == LAYERS - 1, mm = last ? m : T;
    narrow(dy, dx, mm * HIDDEN);
    experts_backward(l, n, dt, dy, p, g, at, mm, !first);
    norm_backward(dx, g + AT(n, MLP_NORM), dt, l->norm2, l->mid, p + AT(n, MLP_NORM), mm);
    narrow(dy, dx, mm * HIDDEN);
    for (int i = 0; i < mm; i++) add(g + AT(n, O_BIAS), dx + (size_t)i * HIDDEN, HIDDEN);
    outer(g + AT(n, O), HEADS * DIM, dy, l->a, mm, HIDDEN, HEADS * DIM, !first);
    backward(da, dy, l->o, mm, HIDDEN, HEADS * DIM, 0);
    if (last) memset(dheads, 0, (size_t)T * HEADS * DIM * sizeof(operand));
    for (int i = 0; i < mm; i++)
      for (int kv = 0; kv < KV; kv++)
        narrow(dheads + (size_t)(kv * T + (last ? rows[i] : i)) * GROUP * DIM, da + (size_t)(i * KV + kv) * GROUP * DIM, GROUP * DIM);
    memset(dq, 0, (size_t)T * HEADS * DIM * sizeof(float));
    memset(dk, 0, (size_t)T * KV * DIM * sizeof(float));
    memset(dv, 0, (size_t)T * KV * DIM * sizeof(float));
    attention_backward(l, dq, dk, dv, p + AT(n, SINKS), g + AT(n, SINKS), dheads, cuts, count, T, n % 2 ? 0 : WINDOW, wanted[last]);
    heads_backward(l, dt, g + AT(n, QKV), g + AT(n, QKV_BIAS), !first, dq, dk, dv, c, s, positions, T);
    if (last) {  // from the rows asked for to all, from the end: a row moves to its own place or a later one
      for (int i = T - 1, r = m - 1; i >= 0; i--)
        if (r >= 0 && rows[r] == i) memmove(dx + i * HIDDEN, dx + r-- * HIDDEN, HIDDEN * sizeof(float));
        else memset(dx + i * HIDDEN, 0, HIDDEN * sizeof(float));
    }
    norm_backward(dx, g + AT(n, ATTN_NORM), dt, l->norm1, l->x, p + AT(n, ATTN_NORM), T);
  }
  for (int i = 0; i < T; i++) add(g + at[EMBED] + tokens[i] * HIDDEN, dx + i * HIDDEN, HIDDEN);
  done();
  return loss;
}

// For `train.py check`: the product that which names (0 forward, 1 backward, 2 outer) of operands rounded from float32.
// x [m, k], y [m, width(n)] with columns past n that are zero, w [n, k]; the result replaces y, x or w, or is added to it.
void multiply(int which, float *x, float *y, float *w, int m, int n, int k, int add) {
  used = 0;
  int wide = width(n);
  operand *xo = OPERANDS((size_t)m * k), *yo = OPERANDS((size_t)m * wide);
  narrow(xo, x, m * k);
  narrow(yo, y, m * wide);
  operand *room = OPERANDS((size_t)2 * wide * k);
  Matrix matrix = packed(&room, w, n, k);
  pack(matrix, w, 0, n, k);
  if (which == 0) forward(y, xo, matrix, m, wide, k, add);
  if (which == 1) backward(x, yo, matrix, m, wide, k, add);
  if (which == 2) outer(w, k, yo, xo, m, n, k, add);
  done();
}

// ---- parameters ----------------------------------------------------------------------------------------------------------
//
// Processes share what follows: p and its packed form, the sums of their gradients, the updates. Of both tables each has rows, of all else as
// much of each parameter as the others.

typedef struct { i64 begin, end; } Range;

static Range rows_of(int rank, int procs, int vocab) {  // whole tiles
  i64 tiles = (vocab + 31) / 32, end = tiles * (rank + 1) / procs * 32;
  return (Range){tiles * rank / procs * 32, end < vocab ? end : vocab};
}

static Range range_of(int i, int rank, int procs, const i64 *at, int vocab) {  // in the flat buffer
  i64 size = at[i + 1] - at[i];
  Range rows = rows_of(rank, procs, vocab);
  if (i <= HEAD) return (Range){at[i] + rows.begin * HIDDEN, at[i] + rows.end * HIDDEN};
  return (Range){at[i] + size * rank / procs, at[i] + size * (rank + 1) / procs};
}

// Rounds what there is of parameter i in a range, in place, to what the exported checkpoint holds: the experts' matrices to MXFP4, all else
// to bfloat16.
static void round_range(float *p, int i, Range x) {
  int which = i < FIRST ? -1 : (i - FIRST) % PER_LAYER;
  union { float f; uint32_t u; } top;
  if (which != W1 && which != W2) {
    uint32_t *restrict u = (uint32_t *)p;
    for (i64 j = x.begin; j < x.end; j++) u[j] = (u[j] + 0x7fff + (u[j] >> 16 & 1)) & 0xffff0000;
    return;
  }
  for (float *restrict w = p + x.begin; w < p + x.end; w += 32) {
    top.f = 0;
    for (int j = 0; j < 32; j++) top.f = fabsf(w[j]) > top.f ? fabsf(w[j]) : top.f;
    // The maximum is in [2^exponent, 2^(exponent + 1)); a significand up to 1.75 comes to lie below 7.
    int exponent = (int)(top.u >> 23) - 127 - 2 + ((top.u & 0x7fffff) > 0x600000);
    exponent = exponent < -100 ? -100 : exponent > 100 ? 100 : exponent;
    union { uint32_t u; float f; } up = {(uint32_t)(127 + exponent) << 23}, down = {(uint32_t)(127 - exponent) << 23};
    for (int j = 0; j < 32; j++) {
      float v = w[j] * down.f, size = fabsf(v), step = size < 2 ? 0.5f : size < 4 ? 1 : 2, inverse = size < 2 ? 2 : size < 4 ? 1 : 0.5f;
      float r = rintf(v * inverse) * step;
      w[j] = (r > 6 ? 6 : r < -6 ? -6 : r) * up.f;
    }
  }
}

void effective(float *p, const i64 *at) {
  for (int i = 0; i < PARAMETERS; i++) round_range(p, i, (Range){at[i], at[i + 1]});
}

// A process's part of p = theta with the two tables made of what is trained, and rounded if round is set; and of its packed form. Unless all is set,
// p lacks what is used in packed form only. numbers [count], ascending, are the rows of numbers, digits [count, 3] their digits' rows.
void combine(const float *theta, float *p, void *packing, const i64 *at, int vocab, const i64 *numbers, const i64 *digits, int count,
             int round, int all, int rank, int procs) {
  used = 0;
  Layer layers[LAYERS];
  Matrix table = locate(layers, packing, p, at, vocab);
  Range rows = rows_of(rank, procs, vocab);
  for (int t = EMBED; t <= HEAD; t++) {
    Range x = range_of(t, rank, procs, at, vocab);
    memcpy(p + x.begin, theta + x.begin, (x.end - x.begin) * sizeof(float));
    for (int i = 0; i < count; i++) {
      if (numbers[i] < rows.begin || numbers[i] >= rows.end) continue;
      float *restrict to = p + at[t] + numbers[i] * HIDDEN;
      const float *d = theta + at[t + EMBED_DIGITS];
      for (int j = 0; j < HIDDEN; j++) to[j] += d[digits[3 * i] * HIDDEN + j] + d[digits[3 * i + 1] * HIDDEN + j] + d[digits[3 * i + 2] * HIDDEN + j];
    }
  }
  const float *embed = p + at[EMBED] + rows.begin * HIDDEN;
  float *unembed = p + at[HEAD] + rows.begin * HIDDEN;
  int n = rows.end - rows.begin;
  // In float32, as the export does it
  if (n) gemm(ROW_MAJOR, PLAIN, PLAIN, n, HIDDEN, HIDDEN, 1, embed, HIDDEN, theta + at[COPY], HIDDEN, 1, unembed, HIDDEN);
  for (int t = EMBED; t <= HEAD && round; t++) round_range(p, t, range_of(t, rank, procs, at, vocab));
  pack(table, p + at[HEAD], rows.begin, rows.end, HIDDEN);
  for (int i = EMBED_DIGITS; i < PARAMETERS; i++) {  // whole parameters: PER_LAYER is odd, so those of a layer go to others than those of the next
    if (i % procs != rank) continue;
    int which = i < FIRST ? -1 : (i - FIRST) % PER_LAYER, packs = which == QKV || which == O || which == W1 || which == W2;
    const float *from = theta + at[i];
    if (!TILES || round || all || !packs) {
      memcpy(p + at[i], from, (at[i + 1] - at[i]) * sizeof(float));
      if (round) round_range(p, i, (Range){at[i], at[i + 1]});
      from = p + at[i];
    }
    if (!packs) continue;
    Layer *l = &layers[(i - FIRST) / PER_LAYER];
    if (which == QKV) pack(l->qkv, from, 0, QKV_ROWS, HIDDEN);
    if (which == O) pack(l->o, from, 0, HIDDEN, HEADS * DIM);
    for (int e = 0; e < EXPERTS; e++) {
      if (which == W1) pack(l->w1[e], from + e * 2 * INTER * HIDDEN, 0, 2 * INTER, HIDDEN);
      if (which == W2) pack(l->w2[e], from + e * HIDDEN * INTER, 0, HIDDEN, INTER);
    }
  }
}

// g += the others' gradients in a range
static void add_others(float *const *grads, int procs, Range x) {
  for (int k = 1; k < procs; k++) {
    const float *restrict other = grads[k];
    float *restrict g = grads[0];
    for (i64 j = x.begin; j < x.end; j++) g[j] += other[j];
  }
}

static double squares(const float *g, Range x) {
  enum { PART = 4096 };
  double sum = 0;
  for (i64 i = x.begin; i < x.end; i += PART) {
    i64 end = i + PART < x.end ? i + PART : x.end;
    float part = 0;
    for (i64 j = i; j < end; j++) part += g[j] * g[j];
    sum += part;
  }
  return sum;
}

// Sums the process's part of all gradients grads [procs] in the first, and turns the tables' into those of what combine makes them of. What
// copy and the digits get from the process's rows is left in its own gradient: update sums it. Returns the sum of the other squares.
double gather(const float *p, float *const *grads, const i64 *at, int vocab, const i64 *numbers, const i64 *digits, int count, int rank, int procs) {
  used = 0;
  float *g = grads[0], *own = grads[rank];
  double sum = 0;
  Range rows = rows_of(rank, procs, vocab);
  memset(own + at[EMBED_DIGITS], 0, (at[NORM] - at[EMBED_DIGITS]) * sizeof(float));
  operand *room = OPERANDS((size_t)2 * HIDDEN * HIDDEN);
  Matrix copy = packed(&room, p + at[COPY], HIDDEN, HIDDEN);
  pack(copy, p + at[COPY], 0, HIDDEN, HIDDEN);
  i64 most = rows.end - rows.begin < TABLE ? rows.end - rows.begin : TABLE;
  operand *embed = OPERANDS((size_t)most * HIDDEN), *dhead = OPERANDS((size_t)most * HIDDEN);
  for (i64 i = rows.begin; i < rows.end; i += most) {
    i64 n = rows.end - i < most ? rows.end - i : most;
    Range e = {at[EMBED] + i * HIDDEN, at[EMBED] + (i + n) * HIDDEN}, h = {at[HEAD] + i * HIDDEN, at[HEAD] + (i + n) * HIDDEN};
    add_others(grads, procs, e);
    add_others(grads, procs, h);
    narrow(embed, p + e.begin, n * HIDDEN);
    narrow(dhead, g + h.begin, n * HIDDEN);
    outer(own + at[COPY], HIDDEN, embed, dhead, n, HIDDEN, HIDDEN, 1);
    forward(g + e.begin, dhead, copy, n, HIDDEN, HIDDEN, 1);
    sum += squares(g, e) + squares(g, h);
  }
  for (int t = EMBED; t <= HEAD; t++)
    for (int i = 0; i < 3 * count; i++) {
      i64 row = numbers[i / 3];
      if (row >= rows.begin && row < rows.end) add(own + at[t + EMBED_DIGITS] + digits[i] * HIDDEN, g + at[t] + row * HIDDEN, HIDDEN);
    }
  for (int i = NORM; i < PARAMETERS; i++) {
    Range x = range_of(i, rank, procs, at, vocab);
    add_others(grads, procs, x);
    sum += squares(g, x);
  }
  done();
  return sum;
}

// AdamW of the process's part of the parameters, with the gradient divided by n, and by its norm if that is above 1; sum is that of what gather
// returned to all processes. t counts updates from 1, decay [PARAMETERS]. Returns the norm.
double update(float *theta, float *m, float *v, float *const *grads, const i64 *at, int vocab, const float *decay, double n, double sum,
              double lr, int t, int rank, int procs) {
  used = 0;
  i64 from = at[EMBED_DIGITS], count = at[NORM] - from;  // those of copy and the digits
  float *small = FLOATS(count);
  memcpy(small, grads[0] + from, count * sizeof(float));
  for (int k = 1; k < procs; k++) add(small, grads[k] + from, count);
  double norm = sqrt(sum + squares(small, (Range){0, count})) / n;
  float scale = 1 / n / (norm > 1 ? norm : 1), rate = lr / (1 - pow(0.9, t)), correction = 1 / (1 - pow(0.98, t));
  for (int i = 0; i < PARAMETERS; i++) {
    Range x = range_of(i, rank, procs, at, vocab);
    float keep = 1 - lr * decay[i];
    const float *restrict g = i >= EMBED_DIGITS && i < NORM ? small - from : grads[0];
    float *restrict th = theta, *restrict mm = m, *restrict vv = v;
    for (i64 j = x.begin; j < x.end; j++) {
      float d = g[j] * scale, m1 = 0.9f * mm[j] + 0.1f * d, v1 = 0.98f * vv[j] + 0.02f * d * d;
      mm[j] = m1 = fabsf(m1) < 1e-30f ? 0 : m1;  // moments of rows that are seldom used would become subnormal, which is slow
      vv[j] = v1 = v1 < 1e-30f ? 0 : v1;
      th[j] = th[j] * keep - rate * m1 / (sqrtf(v1 * correction) + 1e-8f);
    }
  }
  return norm;
}
