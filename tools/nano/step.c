//go:build ignore

// The line above keeps Go, which allows no C files beside its own without cgo, from looking at this one.
//
// One training step of gossamer-nano on one CPU core. train.py compiles this file with the model's sizes as macros (HIDDEN, LAYERS, HEADS,
// KV, DIM, EXPERTS, TOPK, INTER, WINDOW, ALPHA, LIMIT, EPS) and calls it through ctypes. Its PyTorch code is the specification of
// everything here; `train.py check` compares the two. Matrices are row-major; a shape in a comment is [rows, columns].
//
// All work that is not a matrix product is done in few passes over memory, next to the product that made the data. What the backward
// pass can recompute at once (the experts' activations and gathered rows, the rotated heads' gradients) is not kept.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GROUP (HEADS / KV)                  // query heads that share a key head
#define QKV_ROWS ((HEADS + 2 * KV) * DIM)
#define HALF (DIM / 2)
#define QUERIES 128                         // tokens whose attention is computed at a time
#define LOGITS 128                          // rows of logits that are made at a time, so that they stay in the cache

// The parameters in the order of layout() in train.py. at[i] is where parameter i begins in the flat buffer; the last is the buffer's size.
enum { EMBED, HEAD, EMBED_DIGITS, HEAD_DIGITS, COPY, NORM, FIRST };
enum { ATTN_NORM, QKV, QKV_BIAS, SINKS, O, O_BIAS, MLP_NORM, ROUTER, ROUTER_BIAS, W1, B1, W2, B2, PER_LAYER };
#define AT(n, which) at[FIRST + PER_LAYER * (n) + (which)]
#define PARAMETERS (FIRST + PER_LAYER * LAYERS)

typedef int64_t i64;
typedef void Gemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
static Gemm *gemm;  // cblas_sgemm

void setup(Gemm *f) { gemm = f; }

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

// y [m, n] = x [m, k] w[n, k]^T, or y += with add 1
static void forward(float *y, const float *x, const float *w, int m, int n, int k, float add) {
  if (m) gemm(ROW_MAJOR, PLAIN, TRANSPOSED, m, n, k, 1, x, k, w, k, add, y, n);
}
// dx [m, k] = dy [m, n] w [n, k], or dx += with add 1
static void backward(float *dx, const float *dy, const float *w, int m, int n, int k, float add) {
  if (m) gemm(ROW_MAJOR, PLAIN, PLAIN, m, k, n, 1, dy, n, w, k, add, dx, k);
}
// dw [n, k] = dy [m, n]^T x [m, k], or dw += with add 1
static void outer(float *dw, const float *dy, const float *x, int m, int n, int k, float add) {
  if (m) gemm(ROW_MAJOR, TRANSPOSED, PLAIN, n, k, m, 1, dy, n, x, k, add, dw, k);
}

// A buffer that grows as needed; what it held is lost when it does.
typedef struct { void *p; size_t bytes; } Buffer;

static void *fit(Buffer *b, size_t elements, size_t size) {
  size_t bytes = (elements * size + 64) / 64 * 64;
  if (bytes > b->bytes) {
    free(b->p);
    b->bytes = bytes + bytes / 4 / 64 * 64;
    b->p = aligned_alloc(64, b->bytes);
    if (!b->p) abort();
  }
  return b->p;
}
#define FLOATS(n) ({ static Buffer buffer; (float *)fit(&buffer, (n), sizeof(float)); })      // one buffer per place in the code,
#define FLOATS_OF(l, n) ({ static Buffer buffer[LAYERS]; (float *)fit(&buffer[l], (n), sizeof(float)); })  // or one per layer
#define INTS(n) ({ static Buffer buffer; (int *)fit(&buffer, (n), sizeof(int)); })
#define INTS_OF(l, n) ({ static Buffer buffer[LAYERS]; (int *)fit(&buffer[l], (n), sizeof(int)); })

// e^x with a relative error below 1e-6, in a form that compilers vectorise; x is clamped to where the result is a normal number
static inline float fast_exp(float x) {
  x = x < -87 ? -87 : x > 87 ? 87 : x;
  float n = rintf(x * 1.44269504f);
  float r = x - n * 0.693147181f;
  float y = 1 + r * (1 + r * (0.5f + r * (1.f / 6 + r * (1.f / 24 + r * (1.f / 120 + r * (1.f / 720))))));
  union { int32_t i; float f; } scale = {((int32_t)n + 127) << 23};
  return y * scale.f;
}

static void add_rows(float *restrict sum, const float *restrict x, int m, int n) {  // sum [n] += the rows of x [m, n]
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) sum[j] += x[(size_t)i * n + j];
}

static void norm_forward(float *restrict t, float *restrict inverse, const float *restrict x, const float *restrict w, int m) {  // t, x [m, HIDDEN]
  for (int i = 0; i < m; i++, x += HIDDEN, t += HIDDEN) {
    float sum = 0;
    for (int j = 0; j < HIDDEN; j++) sum += x[j] * x[j];
    float r = inverse[i] = 1 / sqrtf(sum / HIDDEN + EPS);
    for (int j = 0; j < HIDDEN; j++) t[j] = x[j] * r * w[j];
  }
}

// dx += the gradient of x that dt, the gradient of the norm's result, makes
static void norm_backward(float *restrict dx, float *restrict dw, const float *restrict dt, const float *restrict inverse, const float *restrict x, const float *restrict w, int m) {
  for (int i = 0; i < m; i++, x += HIDDEN, dx += HIDDEN, dt += HIDDEN) {
    float r = inverse[i], inner = 0;
    for (int j = 0; j < HIDDEN; j++) {
      dw[j] += dt[j] * x[j] * r;
      inner += dt[j] * w[j] * x[j];
    }
    inner *= r * r * r / HIDDEN;
    for (int j = 0; j < HIDDEN; j++) dx[j] += dt[j] * w[j] * r - x[j] * inner;
  }
}

// ---- attention -----------------------------------------------------------------------------------------------------------

// What a layer keeps for its backward pass. m is the number of rows after attention: all tokens, or in the last layer those asked for.
typedef struct {
  float *x, *t, *norm1;             // [T, HIDDEN] the layer's input and its norm; [T]
  float *q, *k, *v;                 // [KV, T, GROUP, DIM] (scaled), [KV, T, DIM], [KV, T, DIM]
  float *p, *sink;                  // attention's weights, one tile [queries * GROUP, keys] after the other; [KV, T, GROUP] the sinks'
  float *a;                         // [m, HEADS * DIM]
  float *mid, *t2, *norm2;          // [m, HIDDEN] after attention, and its norm; [m]
  float *weight;                    // [m, TOPK]
  int *chosen, *order, *bounds;     // [m, TOPK] experts; [m * TOPK] the indices of chosen sorted by expert; [EXPERTS + 1] where each begins
  float *h;                         // [m * TOPK, 2 * INTER] gates and ups, in the order of order
} Layer;

// Some queries of one segment and the keys they see: those of the prefix from lo on, then the segment's own up to the last query.
// Both together are contiguous positions from lo on, so that masks are ranges of columns.
typedef struct { int begin, end, position, lo, shared, own, keys; } Tile;  // queries; position of the first; own: first key of the segment

// The tiles of the queries that are wanted (wanted[i] is 1), [tiles]; a segment's queries are all computed from the first wanted one on.
static int make_tiles(Tile *tiles, const i64 *segments, int count, int window, const char *wanted) {
  int n = 0;
  for (int s = 0; s < count; s++) {
    int begin = segments[2 * s], end = segments[2 * s + 1], prefix = begin ? segments[1] : 0, first = begin;
    while (first < end && !wanted[first]) first++;
    for (int i = first; i < end; i += QUERIES) {
      Tile t = {.begin = i, .end = i + QUERIES < end ? i + QUERIES : end, .position = prefix + i - begin};
      t.lo = window && t.position >= window ? t.position - window + 1 : 0;
      t.shared = t.lo < prefix ? prefix - t.lo : 0;
      t.own = begin + (t.lo > prefix ? t.lo - prefix : 0);
      t.keys = t.shared + t.end - t.own;
      tiles[n++] = t;
    }
  }
  return n;
}

static void gather_keys(float *to, const float *from, Tile t) {  // to [keys, DIM], from [T, DIM]
  memcpy(to, from + t.lo * DIM, t.shared * DIM * sizeof(float));
  memcpy(to + t.shared * DIM, from + t.own * DIM, (t.end - t.own) * DIM * sizeof(float));
}

static void scatter_keys(float *restrict to, const float *restrict from, Tile t) {
  for (int i = 0; i < t.shared * DIM; i++) to[t.lo * DIM + i] += from[i];
  for (int i = 0; i < (t.end - t.own) * DIM; i++) to[t.own * DIM + i] += from[t.shared * DIM + i];
}

static void attention_forward(Layer *l, int n, float *out, const float *sinks, const Tile *tiles, int count, int T, int window) {  // out [KV, T, GROUP, DIM]
  size_t size = 0;
  int most = 0;
  for (int i = 0; i < count; i++) {
    size += (size_t)KV * GROUP * (tiles[i].end - tiles[i].begin) * tiles[i].keys;
    if (tiles[i].keys > most) most = tiles[i].keys;
  }
  float *p = l->p = FLOATS_OF(n, size), *kk = FLOATS(most * DIM), *vv = FLOATS(most * DIM);
  l->sink = FLOATS_OF(n, T * HEADS);
  for (int i = 0; i < count; i++)
    for (int kv = 0; kv < KV; kv++) {
      Tile t = tiles[i];
      int rows = GROUP * (t.end - t.begin), keys = t.keys;
      size_t q = ((size_t)kv * T + t.begin) * GROUP;
      gather_keys(kk, l->k + kv * T * DIM, t);
      gather_keys(vv, l->v + kv * T * DIM, t);
      forward(p, l->q + q * DIM, kk, rows, keys, DIM, 0);
      for (int r = 0; r < rows; r++) {
        float *restrict s = p + (size_t)r * keys;
        int last = t.position + r / GROUP - t.lo, first = window && last >= window ? last - window + 1 : 0;  // keys that this query sees
        float sink = sinks[kv * GROUP + r % GROUP], top = sink, sum = 0;
        for (int j = first; j <= last; j++) top = s[j] > top ? s[j] : top;
        for (int j = first; j <= last; j++) sum += s[j] = fast_exp(s[j] - top);
        float rest = fast_exp(sink - top), scale = 1 / (sum + rest);
        for (int j = first; j <= last; j++) s[j] *= scale;
        memset(s, 0, first * sizeof(float));
        memset(s + last + 1, 0, (keys - last - 1) * sizeof(float));
        l->sink[q + r] = rest * scale;
      }
      backward(out + q * DIM, p, vv, rows, keys, DIM, 0);
      p += (size_t)rows * keys;
    }
}

// dq, dk and dv, shaped as q, k and v, are zero at first
static void attention_backward(const Layer *l, float *dq, float *dk, float *dv, float *dsinks, const float *dout, const Tile *tiles, int count, int T) {
  const float *p = l->p;
  for (int i = 0; i < count; i++)
    for (int kv = 0; kv < KV; kv++) {
      Tile t = tiles[i];
      int rows = GROUP * (t.end - t.begin), keys = t.keys;
      size_t q = ((size_t)kv * T + t.begin) * GROUP;
      float *kk = FLOATS(keys * DIM), *vv = FLOATS(keys * DIM), *dkk = FLOATS(keys * DIM), *dp = FLOATS((size_t)rows * keys);
      gather_keys(kk, l->k + kv * T * DIM, t);
      gather_keys(vv, l->v + kv * T * DIM, t);
      forward(dp, dout + q * DIM, vv, rows, keys, DIM, 0);
      for (int r = 0; r < rows; r++) {
        float *restrict d = dp + (size_t)r * keys, inner = 0;
        const float *restrict w = p + (size_t)r * keys;
        for (int j = 0; j < keys; j++) inner += d[j] * w[j];
        for (int j = 0; j < keys; j++) d[j] = w[j] * (d[j] - inner);
        dsinks[kv * GROUP + r % GROUP] -= inner * l->sink[q + r];
      }
      backward(dq + q * DIM, dp, kk, rows, keys, DIM, 0);
      outer(dkk, dp, l->q + q * DIM, rows, keys, DIM, 0);
      scatter_keys(dk + kv * T * DIM, dkk, t);
      outer(dkk, p, dout + q * DIM, rows, keys, DIM, 0);
      scatter_keys(dv + kv * T * DIM, dkk, t);
      p += (size_t)rows * keys;
    }
}

// [T, heads, DIM] of one kind of head, in rows of QKV_ROWS, to and from [KV, T, per, DIM]; the rotation, if any, is by (c, s) [T, HALF] * scale
static void split_heads(float *restrict to, const float *restrict qkv, const float *restrict bias, const float *c, const float *s, const i64 *positions, float scale, int T, int per) {
  for (int kv = 0; kv < KV; kv++)
    for (int i = 0; i < T; i++)
      for (int g = 0; g < per; g++, to += DIM) {
        const float *restrict x = qkv + (size_t)i * QKV_ROWS + (kv * per + g) * DIM, *restrict b = bias + (kv * per + g) * DIM;
        if (!c) {
          for (int j = 0; j < DIM; j++) to[j] = x[j] + b[j];
          continue;
        }
        const float *restrict cc = c + positions[i] * HALF, *restrict ss = s + positions[i] * HALF;
        for (int j = 0; j < HALF; j++) {
          float even = (x[j] + b[j]) * scale, odd = (x[j + HALF] + b[j + HALF]) * scale;
          to[j] = even * cc[j] - odd * ss[j];
          to[j + HALF] = odd * cc[j] + even * ss[j];
        }
      }
}

static void join_heads(float *restrict qkv, const float *restrict from, const float *c, const float *s, const i64 *positions, float scale, int T, int per) {
  for (int kv = 0; kv < KV; kv++)
    for (int i = 0; i < T; i++)
      for (int g = 0; g < per; g++, from += DIM) {
        float *restrict x = qkv + (size_t)i * QKV_ROWS + (kv * per + g) * DIM;
        if (!c) {
          memcpy(x, from, DIM * sizeof(float));
          continue;
        }
        const float *restrict cc = c + positions[i] * HALF, *restrict ss = s + positions[i] * HALF;
        for (int j = 0; j < HALF; j++) {
          float even = from[j] * scale, odd = from[j + HALF] * scale;
          x[j] = even * cc[j] + odd * ss[j];
          x[j + HALF] = odd * cc[j] - even * ss[j];
        }
      }
}

// ---- experts -------------------------------------------------------------------------------------------------------------

// out [m, HIDDEN] += the chosen experts' outputs, weighted
static void experts_forward(Layer *l, int n, float *restrict out, const float *p, const i64 *at, int m) {
  float *r = FLOATS(m * EXPERTS);
  l->weight = FLOATS_OF(n, m * TOPK);
  l->chosen = INTS_OF(n, m * TOPK);
  l->order = INTS_OF(n, m * TOPK);
  l->bounds = INTS_OF(n, EXPERTS + 1);
  l->h = FLOATS_OF(n, (size_t)m * TOPK * 2 * INTER);
  forward(r, l->t2, p + AT(n, ROUTER), m, EXPERTS, HIDDEN, 0);
  int count[EXPERTS + 1] = {0};
  for (int i = 0; i < m; i++) {
    float z[EXPERTS], sum = 0, *w = l->weight + i * TOPK;
    for (int e = 0; e < EXPERTS; e++) z[e] = r[i * EXPERTS + e] + p[AT(n, ROUTER_BIAS) + e];
    for (int k = 0; k < TOPK; k++) {
      int best = 0;
      for (int e = 1; e < EXPERTS; e++)
        if (z[e] > z[best]) best = e;
      l->chosen[i * TOPK + k] = best;
      count[best + 1]++;
      w[k] = z[best];
      z[best] = -1e30f;
    }
    for (int k = TOPK - 1; k >= 0; k--) sum += w[k] = expf(w[k] - w[0]);  // w[0] is the largest, and used until the end
    for (int k = 0; k < TOPK; k++) w[k] /= sum;
  }
  for (int e = 0; e < EXPERTS; e++) count[e + 1] += count[e];
  memcpy(l->bounds, count, sizeof count);
  for (int i = 0; i < m * TOPK; i++) l->order[count[l->chosen[i]]++] = i;
  for (int e = 0; e < EXPERTS; e++) {
    int first = l->bounds[e], rows = l->bounds[e + 1] - first;
    float *x = FLOATS(rows * HIDDEN), *a = FLOATS(rows * INTER), *y = FLOATS(rows * HIDDEN), *h = l->h + (size_t)first * 2 * INTER;
    const float *restrict b1 = p + AT(n, B1) + e * 2 * INTER, *restrict b2 = p + AT(n, B2) + e * HIDDEN;
    for (int i = 0; i < rows; i++) memcpy(x + i * HIDDEN, l->t2 + l->order[first + i] / TOPK * HIDDEN, HIDDEN * sizeof(float));
    forward(h, x, p + AT(n, W1) + e * 2 * INTER * HIDDEN, rows, 2 * INTER, HIDDEN, 0);
    for (int i = 0; i < rows; i++) {
      float *restrict gates = h + i * 2 * INTER, *restrict ups = gates + INTER, *restrict to = a + i * INTER;
      for (int j = 0; j < INTER; j++) {
        float gate = gates[j] += b1[j], up = ups[j] += b1[INTER + j];
        gate = gate > LIMIT ? LIMIT : gate;
        up = up > LIMIT ? LIMIT : up < -LIMIT ? -LIMIT : up;
        to[j] = gate / (1 + fast_exp(-ALPHA * gate)) * (up + 1);
      }
    }
    forward(y, a, p + AT(n, W2) + e * HIDDEN * INTER, rows, HIDDEN, INTER, 0);
    for (int i = 0; i < rows; i++) {
      float w = l->weight[l->order[first + i]], *restrict to = out + l->order[first + i] / TOPK * HIDDEN;
      for (int j = 0; j < HIDDEN; j++) to[j] += w * (y[i * HIDDEN + j] + b2[j]);
    }
  }
}

// dt [m, HIDDEN] = the gradient of the experts' and the router's input, of dout [m, HIDDEN]
static void experts_backward(const Layer *l, int n, float *restrict dt, const float *restrict dout, const float *p, float *g, const i64 *at, int m) {
  float *dweight = FLOATS(m * TOPK), *dr = FLOATS(m * EXPERTS);
  memset(dt, 0, (size_t)m * HIDDEN * sizeof(float));
  for (int e = 0; e < EXPERTS; e++) {
    int first = l->bounds[e], rows = l->bounds[e + 1] - first;
    float *x = FLOATS(rows * HIDDEN), *d = FLOATS(rows * HIDDEN), *a = FLOATS(rows * INTER), *da = FLOATS(rows * INTER), *dh = FLOATS(rows * 2 * INTER);
    const float *restrict b2 = p + AT(n, B2) + e * HIDDEN, *w1 = p + AT(n, W1) + e * 2 * INTER * HIDDEN, *w2 = p + AT(n, W2) + e * HIDDEN * INTER;
    float *restrict db2 = g + AT(n, B2) + e * HIDDEN, *restrict db1 = g + AT(n, B1) + e * 2 * INTER;
    for (int i = 0; i < rows; i++) {
      memcpy(x + i * HIDDEN, l->t2 + l->order[first + i] / TOPK * HIDDEN, HIDDEN * sizeof(float));
      memcpy(d + i * HIDDEN, dout + l->order[first + i] / TOPK * HIDDEN, HIDDEN * sizeof(float));
    }
    backward(da, d, w2, rows, HIDDEN, INTER, 0);  // of an output not yet weighted: its inner product with a is part of the weight's gradient
    for (int i = 0; i < rows; i++) {
      float w = l->weight[l->order[first + i]], inner = 0;
      const float *restrict gates = l->h + (size_t)(first + i) * 2 * INTER, *restrict ups = gates + INTER, *restrict dai = da + i * INTER, *restrict di = d + i * HIDDEN;
      float *restrict ai = a + i * INTER, *restrict dgates = dh + i * 2 * INTER, *restrict dups = dgates + INTER;
      for (int j = 0; j < INTER; j++) {
        float gate = gates[j] > LIMIT ? LIMIT : gates[j], up = (ups[j] > LIMIT ? LIMIT : ups[j] < -LIMIT ? -LIMIT : ups[j]) + 1;
        float sig = 1 / (1 + fast_exp(-ALPHA * gate)), silu = gate * sig, dy = dai[j];
        inner += dy * silu * up;
        ai[j] = w * silu * up;
        dgates[j] = gates[j] <= LIMIT ? w * dy * up * (sig + ALPHA * silu * (1 - sig)) : 0;
        dups[j] = ups[j] <= LIMIT && ups[j] >= -LIMIT ? w * dy * silu : 0;
      }
      for (int j = 0; j < HIDDEN; j++) {
        inner += di[j] * b2[j];
        db2[j] += w * di[j];
      }
      for (int j = 0; j < 2 * INTER; j++) db1[j] += dgates[j];
      dweight[l->order[first + i]] = inner;
    }
    outer(g + AT(n, W2) + e * HIDDEN * INTER, d, a, rows, HIDDEN, INTER, 1);
    outer(g + AT(n, W1) + e * 2 * INTER * HIDDEN, dh, x, rows, 2 * INTER, HIDDEN, 1);
    backward(x, dh, w1, rows, 2 * INTER, HIDDEN, 0);
    for (int i = 0; i < rows; i++) {
      float *restrict to = dt + l->order[first + i] / TOPK * HIDDEN;
      for (int j = 0; j < HIDDEN; j++) to[j] += x[i * HIDDEN + j];
    }
  }
  memset(dr, 0, (size_t)m * EXPERTS * sizeof(float));
  for (int i = 0; i < m; i++) {
    const float *w = l->weight + i * TOPK, *dw = dweight + i * TOPK;
    float inner = 0;
    for (int k = 0; k < TOPK; k++) inner += w[k] * dw[k];
    for (int k = 0; k < TOPK; k++) dr[i * EXPERTS + l->chosen[i * TOPK + k]] = w[k] * (dw[k] - inner);
  }
  outer(g + AT(n, ROUTER), dr, l->t2, m, EXPERTS, HIDDEN, 1);
  add_rows(g + AT(n, ROUTER_BIAS), dr, m, EXPERTS);
  backward(dt, dr, p + AT(n, ROUTER), m, EXPERTS, HIDDEN, 1);
}

// ---- a block of dialogues ------------------------------------------------------------------------------------------------

// The sum of the cross entropies of targets [m] after the last layer's x [m, HIDDEN]; dx, zero at first, gets the gradient.
static double head(const float *p, float *g, const i64 *at, int vocab, const float *x, float *dx, const i64 *targets, int m, float log_unused) {
  float *t = FLOATS(m * HIDDEN), *dt = FLOATS(m * HIDDEN), *inverse = FLOATS(m), *logits = FLOATS((size_t)LOGITS * vocab);
  double loss = 0;
  norm_forward(t, inverse, x, p + at[NORM], m);
  for (int i = 0; i < m; i += LOGITS) {
    int rows = m - i < LOGITS ? m - i : LOGITS;
    forward(logits, t + i * HIDDEN, p + at[HEAD], rows, vocab, HIDDEN, 0);
    for (int r = 0; r < rows; r++) {
      float *restrict z = logits + (size_t)r * vocab, top = z[0] += log_unused, sum = 0;  // row 0 stands for all unused ids
      for (int j = 0; j < vocab; j++) top = z[j] > top ? z[j] : top;
      loss += top - z[targets[i + r]];
      for (int j = 0; j < vocab; j++) sum += z[j] = fast_exp(z[j] - top);
      loss += log(sum);
      float scale = 1 / sum;
      for (int j = 0; j < vocab; j++) z[j] *= scale;
      z[targets[i + r]] -= 1;
    }
    backward(dt + i * HIDDEN, logits, p + at[HEAD], rows, vocab, HIDDEN, 0);
    outer(g + at[HEAD], logits, t + i * HIDDEN, rows, vocab, HIDDEN, 1);
  }
  norm_backward(dx, g + at[NORM], dt, inverse, x, p + at[NORM], m);
  return loss;
}

// Returns the loss, summed over the rows whose target is known (not 0), and adds its gradient at parameters p to g. tokens and positions [T];
// segments [count, 2]: (begin, end) of the prefix that the dialogues share, then of each dialogue's own tokens; rows (ascending) and
// targets [asked]; c and s: rope's tables [positions, HALF].
double block(const float *p, float *g, const i64 *at, int vocab, const i64 *tokens, const i64 *positions, int T, const i64 *segments, int count,
             const i64 *all_rows, const i64 *all_targets, int asked, const float *c, const float *s, float log_unused) {
  Layer layers[LAYERS];
  float *qkv = FLOATS(T * QKV_ROWS), *heads = FLOATS(T * HEADS * DIM), *x = FLOATS(T * HIDDEN);
  i64 rows[asked + 1], targets[asked + 1];
  char wanted[2][T + 1];  // queries that a layer before the last, and the last one, needs
  int m = 0, tile_counts[LAYERS];
  Tile *tiles[LAYERS];
  memset(wanted[0], 1, T);
  memset(wanted[1], 0, T);
  for (int i = 0; i < asked; i++)
    if (all_targets[i]) rows[m] = all_rows[i], targets[m++] = all_targets[i], wanted[1][all_rows[i]] = 1;
  if (!m) return 0;
  for (int i = 0; i < T; i++) memcpy(x + i * HIDDEN, p + at[EMBED] + tokens[i] * HIDDEN, HIDDEN * sizeof(float));

  for (int n = 0; n < LAYERS; n++) {
    Layer *l = &layers[n];
    int last = n == LAYERS - 1, window = n % 2 ? 0 : WINDOW, mm = last ? m : T;
    l->x = FLOATS_OF(n, T * HIDDEN), l->t = FLOATS_OF(n, T * HIDDEN), l->norm1 = FLOATS_OF(n, T);
    l->q = FLOATS_OF(n, T * HEADS * DIM), l->k = FLOATS_OF(n, T * KV * DIM), l->v = FLOATS_OF(n, T * KV * DIM);
    l->a = FLOATS_OF(n, T * HEADS * DIM), l->mid = FLOATS_OF(n, T * HIDDEN), l->t2 = FLOATS_OF(n, T * HIDDEN), l->norm2 = FLOATS_OF(n, T);
    memcpy(l->x, x, (size_t)T * HIDDEN * sizeof(float));
    norm_forward(l->t, l->norm1, x, p + AT(n, ATTN_NORM), T);
    forward(qkv, l->t, p + AT(n, QKV), T, QKV_ROWS, HIDDEN, 0);
    const float *bias = p + AT(n, QKV_BIAS);
    split_heads(l->q, qkv, bias, c, s, positions, 1 / sqrtf(DIM), T, GROUP);
    split_heads(l->k, qkv + HEADS * DIM, bias + HEADS * DIM, c, s, positions, 1, T, 1);
    split_heads(l->v, qkv + (HEADS + KV) * DIM, bias + (HEADS + KV) * DIM, 0, 0, 0, 1, T, 1);
    static Buffer room[LAYERS];
    tiles[n] = fit(&room[n], T / QUERIES + count + 1, sizeof(Tile));
    tile_counts[n] = make_tiles(tiles[n], segments, count, window, wanted[last]);
    attention_forward(l, n, heads, p + AT(n, SINKS), tiles[n], tile_counts[n], T, window);
    for (int i = 0; i < mm; i++) {
      int from = last ? rows[i] : i;
      for (int kv = 0; kv < KV; kv++) memcpy(l->a + (i * KV + kv) * GROUP * DIM, heads + (kv * T + from) * GROUP * DIM, GROUP * DIM * sizeof(float));
      for (int j = 0; j < HIDDEN; j++) l->mid[i * HIDDEN + j] = x[from * HIDDEN + j] + p[AT(n, O_BIAS) + j];
    }
    forward(l->mid, l->a, p + AT(n, O), mm, HIDDEN, HEADS * DIM, 1);
    norm_forward(l->t2, l->norm2, l->mid, p + AT(n, MLP_NORM), mm);
    memcpy(x, l->mid, (size_t)mm * HIDDEN * sizeof(float));
    experts_forward(l, n, x, p, at, mm);
  }

  float *dx = FLOATS(T * HIDDEN), *dt = FLOATS(T * HIDDEN), *da = FLOATS(T * HEADS * DIM), *dheads = FLOATS(T * HEADS * DIM);
  float *dq = FLOATS(T * HEADS * DIM), *dk = FLOATS(T * KV * DIM), *dv = FLOATS(T * KV * DIM);
  memset(dx, 0, (size_t)m * HIDDEN * sizeof(float));
  double loss = head(p, g, at, vocab, x, dx, targets, m, log_unused);
  for (int n = LAYERS - 1; n >= 0; n--) {
    Layer *l = &layers[n];
    int last = n == LAYERS - 1, mm = last ? m : T;
    experts_backward(l, n, dt, dx, p, g, at, mm);
    norm_backward(dx, g + AT(n, MLP_NORM), dt, l->norm2, l->mid, p + AT(n, MLP_NORM), mm);
    outer(g + AT(n, O), dx, l->a, mm, HIDDEN, HEADS * DIM, 1);
    add_rows(g + AT(n, O_BIAS), dx, mm, HIDDEN);
    backward(da, dx, p + AT(n, O), mm, HIDDEN, HEADS * DIM, 0);
    if (last) memset(dheads, 0, (size_t)T * HEADS * DIM * sizeof(float));
    for (int i = 0; i < mm; i++)
      for (int kv = 0; kv < KV; kv++) memcpy(dheads + (kv * T + (last ? rows[i] : i)) * GROUP * DIM, da + (i * KV + kv) * GROUP * DIM, GROUP * DIM * sizeof(float));
    memset(dq, 0, (size_t)T * HEADS * DIM * sizeof(float));
    memset(dk, 0, (size_t)T * KV * DIM * sizeof(float));
    memset(dv, 0, (size_t)T * KV * DIM * sizeof(float));
    attention_backward(l, dq, dk, dv, g + AT(n, SINKS), dheads, tiles[n], tile_counts[n], T);
    float *dqkv = qkv;
    join_heads(dqkv, dq, c, s, positions, 1 / sqrtf(DIM), T, GROUP);
    join_heads(dqkv + HEADS * DIM, dk, c, s, positions, 1, T, 1);
    join_heads(dqkv + (HEADS + KV) * DIM, dv, 0, 0, 0, 1, T, 1);
    outer(g + AT(n, QKV), dqkv, l->t, T, QKV_ROWS, HIDDEN, 1);
    add_rows(g + AT(n, QKV_BIAS), dqkv, T, QKV_ROWS);
    backward(dt, dqkv, p + AT(n, QKV), T, QKV_ROWS, HIDDEN, 0);
    if (last) {  // from the rows asked for to all, from the end: a row moves to its own place or a later one
      for (int i = T - 1, r = m - 1; i >= 0; i--)
        if (r >= 0 && rows[r] == i) memmove(dx + i * HIDDEN, dx + r-- * HIDDEN, HIDDEN * sizeof(float));
        else memset(dx + i * HIDDEN, 0, HIDDEN * sizeof(float));
    }
    norm_backward(dx, g + AT(n, ATTN_NORM), dt, l->norm1, l->x, p + AT(n, ATTN_NORM), T);
  }
  for (int i = 0; i < T; i++)
    for (int j = 0; j < HIDDEN; j++) g[at[EMBED] + tokens[i] * HIDDEN + j] += dx[i * HIDDEN + j];
  return loss;
}

// ---- parameters ----------------------------------------------------------------------------------------------------------

// Rounds parameters, in place, to what the exported checkpoint holds: the experts' matrices to MXFP4, all else to bfloat16.
void effective(float *p, const i64 *at) {
  for (int i = 0; i < PARAMETERS; i++) {
    int which = i < FIRST ? -1 : (i - FIRST) % PER_LAYER;
    union { float f; uint32_t u; } x;
    if (which != W1 && which != W2) {
      uint32_t *restrict u = (uint32_t *)p;
      for (i64 j = at[i]; j < at[i + 1]; j++) u[j] = (u[j] + 0x7fff + (u[j] >> 16 & 1)) & 0xffff0000;
      continue;
    }
    for (float *restrict w = p + at[i]; w < p + at[i + 1]; w += 32) {
      x.f = 0;
      for (int j = 0; j < 32; j++) x.f = fabsf(w[j]) > x.f ? fabsf(w[j]) : x.f;
      // The maximum is in [2^exponent, 2^(exponent + 1)); a significand up to 1.75 comes to lie below 7.
      int exponent = (int)(x.u >> 23) - 127 - 2 + ((x.u & 0x7fffff) > 0x600000);
      exponent = exponent < -100 ? -100 : exponent > 100 ? 100 : exponent;
      union { uint32_t u; float f; } up = {(uint32_t)(127 + exponent) << 23}, down = {(uint32_t)(127 - exponent) << 23};
      for (int j = 0; j < 32; j++) {
        float v = w[j] * down.f, size = fabsf(v), step = size < 2 ? 0.5f : size < 4 ? 1 : 2, inverse = size < 2 ? 2 : size < 4 ? 1 : 0.5f;
        float r = rintf(v * inverse) * step;
        w[j] = (r > 6 ? 6 : r < -6 ? -6 : r) * up.f;
      }
    }
  }
}

// p = theta with the two tables made of what is trained, and rounded if round is set. numbers [count] are the rows of numbers, digits [count, 3]
// their digits' rows.
void combine(const float *theta, float *p, const i64 *at, int vocab, const i64 *numbers, const i64 *digits, int count, int round) {
  memcpy(p, theta, at[PARAMETERS] * sizeof(float));
  for (int table = EMBED; table <= HEAD; table++)
    for (int i = 0; i < count; i++) {
      float *restrict to = p + at[table] + numbers[i] * HIDDEN;
      const float *d = p + at[table + EMBED_DIGITS];
      for (int j = 0; j < HIDDEN; j++) to[j] += d[digits[3 * i] * HIDDEN + j] + d[digits[3 * i + 1] * HIDDEN + j] + d[digits[3 * i + 2] * HIDDEN + j];
    }
  backward(p + at[HEAD], p + at[EMBED], p + at[COPY], vocab, HIDDEN, HIDDEN, 1);
  if (round) effective(p, at);
}

// Turns the tables' gradients into those of what combine makes them of, in place.
void combine_gradient(const float *p, float *g, const i64 *at, int vocab, const i64 *numbers, const i64 *digits, int count) {
  outer(g + at[COPY], p + at[EMBED], g + at[HEAD], vocab, HIDDEN, HIDDEN, 0);
  forward(g + at[EMBED], g + at[HEAD], p + at[COPY], vocab, HIDDEN, HIDDEN, 1);
  for (int table = EMBED; table <= HEAD; table++)
    for (int i = 0; i < 3 * count; i++) {
      float *restrict to = g + at[table + EMBED_DIGITS] + digits[i] * HIDDEN;
      const float *restrict from = g + at[table] + numbers[i / 3] * HIDDEN;
      for (int j = 0; j < HIDDEN; j++) to[j] += from[j];
    }
}

// AdamW with the gradient g * scale, at update number t from 1; decay [PARAMETERS]. at may
// name a part of the parameters: parameter i from at[i] to at[i + 1], which is nothing where they are equal.
void update(float *theta, float *m, float *v, const float *g, const i64 *at, const float *decay, float scale, double lr, int t) {
  float rate = lr / (1 - pow(0.9, t)), correction = 1 / (1 - pow(0.98, t));
  for (int i = 0; i < PARAMETERS; i++) {
    float keep = 1 - lr * decay[i];
    float *restrict th = theta, *restrict mm = m, *restrict vv = v;
    for (i64 j = at[i]; j < at[i + 1]; j++) {
      float d = g[j] * scale, m1 = 0.9f * mm[j] + 0.1f * d, v1 = 0.98f * vv[j] + 0.02f * d * d;
      mm[j] = m1 = fabsf(m1) < 1e-30f ? 0 : m1;  // moments of rows that are seldom used would become subnormal, which is slow
      vv[j] = v1 = v1 < 1e-30f ? 0 : v1;
      th[j] = th[j] * keep - rate * m1 / (sqrtf(v1 * correction) + 1e-8f);
    }
  }
}
