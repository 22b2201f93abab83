#!/usr/bin/env python3
"""Trains gossamer-nano: gpt-oss's architecture, small, on dialogues that tools/nano wrote.

    train.py train  --data train.bin --test test.bin --out DIR --steps N     (or --minutes M); goes on from DIR/last.pt
    train.py eval   --test test.bin  --out DIR [--per-cell N]                right answers, and exactness of every generated token
    train.py check  --data train.bin                                         the training step in C (step.c) against that in PyTorch
    train.py export --out DIR --checkpoint PATH                              writes a gpt-oss checkpoint in Hugging Face's layout, to a directory or a .zip

Runs on CPU with Debian's python3-torch 1.13 (single-threaded processes that share the work of each step), and on a GPU where there
is one (one process). On CPU the training step is step.c, where there are a C compiler and OpenBLAS: it is several times as fast as
the PyTorch code here, which remains its specification. Token ids that the data seldom has share one row, "unknown": it is what the unused ids of the exported
vocabulary get, so training on it with random strange words teaches the model how to treat words it has never seen.
"""
import argparse
import ctypes
import ctypes.util
import hashlib
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from multiprocessing import connection

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
CPU = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split() if os.path.exists("/proc/cpuinfo") else []
if {"avx512f", "avx512bw", "avx512vl", "avx512dq"} <= set(CPU):
    os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"  # measured: twice as fast as Haswell's kernels, which OpenBLAS may choose on processors it does not know

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

VOCAB = 201088
HIDDEN, LAYERS, HEADS, KV, DIM, EXPERTS, TOPK, INTER = 128, 4, 4, 2, 32, 8, 4, 128
WINDOW, EPS, ALPHA, LIMIT = 128, 1e-5, 1.702, 7.0
THETA, FACTOR, FAST, SLOW, ORIGINAL = 150000.0, 32.0, 32.0, 1.0, 4096
BLOCK = 12  # dialogues in a row that share their system message (blockSize in main.go)
MAX_TOKENS = 1024
MIN_COUNT = 24  # a token that occurs less often in the training data is unknown


# ---- parameters ------------------------------------------------------------------------------------------------------

def layout(vocab):
    """Names and shapes of all parameters, in the order in which they lie in the flat buffer. Row 0 of both tables is "unknown"."""
    shapes = [("embed", (vocab, HIDDEN)), ("head", (vocab, HIDDEN)), ("embed_digits", (33, HIDDEN)), ("head_digits", (33, HIDDEN)), ("copy", (HIDDEN, HIDDEN)), ("norm", (HIDDEN,))]
    qkv = (HEADS + 2 * KV) * DIM
    for n in range(LAYERS):
        shapes += [
            (f"{n}.attn_norm", (HIDDEN,)), (f"{n}.qkv", (qkv, HIDDEN)), (f"{n}.qkv_bias", (qkv,)), (f"{n}.sinks", (HEADS,)),
            (f"{n}.o", (HIDDEN, HEADS * DIM)), (f"{n}.o_bias", (HIDDEN,)), (f"{n}.mlp_norm", (HIDDEN,)),
            (f"{n}.router", (EXPERTS, HIDDEN)), (f"{n}.router_bias", (EXPERTS,)),
            # gate rows first, then up rows; the export interleaves them
            (f"{n}.w1", (EXPERTS, 2 * INTER, HIDDEN)), (f"{n}.b1", (EXPERTS, 2 * INTER)),
            (f"{n}.w2", (EXPERTS, HIDDEN, INTER)), (f"{n}.b2", (EXPERTS, HIDDEN)),
        ]
    return shapes


def views(flat, vocab):
    out, at = {}, 0
    for name, shape in layout(vocab):
        size = math.prod(shape)
        out[name] = flat[at:at + size].view(shape)
        at += size
    return out


def count(vocab):
    return sum(math.prod(s) for _, s in layout(vocab))


def initialise(flat, vocab, texts):
    """texts[i] is the text of row i."""
    p = views(flat, vocab)
    for name, t in p.items():
        if "norm" in name:
            t.fill_(1)
        elif t.dim() == 1 or name.endswith(("b1", "b2", "router_bias", "sinks")):
            t.zero_()
        elif name == "copy":
            t.copy_(torch.linalg.qr(torch.randn(HIDDEN, HIDDEN))[0] * 0.1)
        elif name.startswith(("embed", "head")):
            t.normal_(0, 0.5 if name.startswith("embed") else 0.02)
        else:
            t.normal_(0, 1 / math.sqrt(t.shape[-1]) * (0.5 if name.endswith((".o", ".w2")) else 1))
    rows, _ = digit_rows(texts)
    p["embed"][rows] *= 0.3
    p["head"][rows] *= 0.3


def digit_rows(texts):
    """The rows of numbers of up to three digits, and for each of the three places which of embed_digits and head_digits it has: digits 0 to
    9, or 10 for none. A number's row is its own plus those of its digits, so that all numbers learn from each."""
    rows, digits = [], []
    for i, text in enumerate(texts):
        if text.isascii() and text.isdigit() and len(text) <= 3:
            rows.append(i)
            digits.append([11 * k + ord(c) - 48 for k, c in enumerate(text.rjust(3, ":"))])  # ":" is 10
    return torch.tensor(rows), torch.tensor(digits)


def combine(p, number_rows, digits):
    """Makes the two tables that the model has of the parameters that are trained, in place: the digits' rows are added to the numbers', and
    the embedding, mapped by copy, to the unembedding. Because of that map an attention head that has learned to copy some words copies
    all of them: each word on its own would need many more dialogues."""
    for table in ("embed", "head"):
        p[table][number_rows] += p[table + "_digits"][digits].sum(1)
    p["head"] += p["embed"] @ p["copy"]


def combine_gradient(p, number_rows, digits):
    """Turns the tables' gradients into those of what combine makes them of, in place."""
    head = p["head"].grad
    p["copy"].grad.copy_(p["embed"].detach().t() @ head)
    p["embed"].grad.add_(head @ p["copy"].detach().t())
    for table in ("embed", "head"):
        rows = p[table].grad[number_rows]
        for place in range(3):
            p[table + "_digits"].grad.index_add_(0, digits[:, place], rows)


E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def mxfp4(w):
    """Returns w rounded to MXFP4, and the exponent of each block of 32 along the last axis. The scale is the largest power of two
    that puts the block's maximum at 7 (1.75 * 4) or below: values between 6 and 7 are clipped to 6, which costs less than a
    coarser scale (RMS error of normal numbers .1118, OCP's rule .1148)."""
    blocks = w.reshape(*w.shape[:-1], -1, 32)
    mantissa, exponent = torch.frexp(blocks.abs().amax(-1, keepdim=True))  # amax = mantissa * 2^exponent, mantissa in [.5, 1)
    exponent = (exponent - 3 + (mantissa > 0.875).int()).clamp(-100, 100)
    scaled = torch.ldexp(blocks, -exponent)
    step = torch.where(scaled.abs() < 2, 0.5, torch.where(scaled.abs() < 4, 1.0, 2.0))
    rounded = (torch.round(scaled / step) * step).clamp(-6, 6)
    return torch.ldexp(rounded, exponent).reshape(w.shape), exponent.squeeze(-1)


def effective(flat, vocab):
    """Rounds parameters, in place, to what the exported checkpoint holds."""
    for name, t in views(flat, vocab).items():
        t.copy_(mxfp4(t)[0] if name.endswith((".w1", ".w2")) else t.bfloat16().float())


# ---- model -----------------------------------------------------------------------------------------------------------

def rope_tables(n, device):
    half = DIM // 2
    def correction(rotations):
        return half * math.log(ORIGINAL / (rotations * 2 * math.pi)) / math.log(THETA)
    lo, hi = correction(FAST), correction(SLOW)
    i = torch.arange(half, dtype=torch.float64)
    base = THETA ** (-i / half)
    ramp = ((i - lo) / (hi - lo)).clamp(0, 1)
    freq = (1 - ramp) * base + ramp * base / FACTOR
    m = 0.1 * math.log(FACTOR) + 1
    angle = torch.arange(n, dtype=torch.float64)[:, None] * freq
    return (m * angle.cos()).float().to(device), (m * angle.sin()).float().to(device)


class Attention(torch.autograd.Function):
    """Causal attention with sinks over dialogues that share a prefix.

    q [KV, G, T, DIM] (already scaled), k and v [KV, T, DIM], sinks [HEADS]. segments: (begin, end) of the prefix, then of each dialogue's own
    tokens. mask [N, N] is 0 or -inf by position; window is 0 for full attention.
    """
    @staticmethod
    def forward(ctx, q, k, v, sinks, segments, mask, window):
        g = HEADS // KV
        out = torch.empty_like(q)
        prefix = segments[0][1]
        sink = sinks.view(KV, g, 1, 1)
        saved = []
        for begin, end in segments:
            n = end - begin
            if begin == 0:
                lo, kk, vv, first = 0, k[:, :end], v[:, :end], 0
            else:
                lo = max(0, prefix - window + 1) if window else 0
                first = prefix
                kk = torch.cat((k[:, lo:prefix], k[:, begin:end]), 1)
                vv = torch.cat((v[:, lo:prefix], v[:, begin:end]), 1)
            qq = q[:, :, begin:end].reshape(KV, g * n, DIM)
            s = torch.bmm(qq, kk.transpose(1, 2)).view(KV, g, n, -1)
            s += mask[first:first + n, lo:first + n]
            top = torch.maximum(s.amax(-1, keepdim=True), sink)
            s.sub_(top).exp_()
            rest = torch.exp(sink - top)
            total = s.sum(-1, keepdim=True) + rest
            s.div_(total)
            out[:, :, begin:end] = torch.bmm(s.view(KV, g * n, -1), vv).view(KV, g, n, DIM)
            saved.append((lo, qq, kk, vv, s, rest / total))
        ctx.saved, ctx.segments, ctx.shapes = saved, segments, (q.shape, k.shape)
        return out

    @staticmethod
    def backward(ctx, dout):
        g = HEADS // KV
        prefix = ctx.segments[0][1]
        dq = torch.empty_like(dout)
        dk = torch.zeros(ctx.shapes[1], device=dout.device)
        dv = torch.zeros_like(dk)
        dsink = 0
        for (begin, end), (lo, qq, kk, vv, p, ps) in zip(ctx.segments, ctx.saved):
            n = end - begin
            do = dout[:, :, begin:end].reshape(KV, g * n, DIM)
            p2 = p.view(KV, g * n, -1)
            dvv = torch.bmm(p2.transpose(1, 2), do)
            dp = torch.bmm(do, vv.transpose(1, 2))
            dp.mul_(p2)
            inner = dp.sum(-1, keepdim=True)
            dsink = dsink - (inner.view(KV, g, n, 1) * ps).sum((2, 3))
            dp.addcmul_(p2, inner, value=-1)
            dq[:, :, begin:end] = torch.bmm(dp, kk).view(KV, g, n, DIM)
            dkk = torch.bmm(dp.transpose(1, 2), qq)
            if begin == 0:
                dk[:, :end] += dkk
                dv[:, :end] += dvv
            else:
                c = prefix - lo
                dk[:, lo:prefix] += dkk[:, :c]
                dv[:, lo:prefix] += dvv[:, :c]
                dk[:, begin:end] += dkk[:, c:]
                dv[:, begin:end] += dvv[:, c:]
        return dq, dk, dv, dsink.reshape(-1), None, None, None


class Experts(torch.autograd.Function):
    """The chosen experts' outputs, weighted. t [T, HIDDEN], chosen and weight [T, TOPK]."""
    @staticmethod
    def forward(ctx, t, chosen, weight, w1, b1, w2, b2):
        flat = chosen.reshape(-1)
        order = torch.argsort(flat)
        bounds = [0] + torch.bincount(flat, minlength=EXPERTS).cumsum(0).tolist()
        rows = torch.div(order, TOPK, rounding_mode="floor")
        x = t[rows]
        h = torch.empty(len(rows), 2 * INTER, device=t.device)
        y = torch.empty(len(rows), HIDDEN, device=t.device)
        for e in range(EXPERTS):
            i, j = bounds[e], bounds[e + 1]
            torch.addmm(b1[e], x[i:j], w1[e].t(), out=h[i:j])
        gate = h[:, :INTER].clamp(max=LIMIT)
        up = h[:, INTER:].clamp(-LIMIT, LIMIT).add_(1)
        sig = torch.sigmoid(gate * ALPHA)
        a = gate * sig
        a.mul_(up)
        for e in range(EXPERTS):
            i, j = bounds[e], bounds[e + 1]
            torch.addmm(b2[e], a[i:j], w2[e].t(), out=y[i:j])
        back = torch.empty_like(y)
        back[order] = y
        ctx.save_for_backward(x, h, gate, up, sig, a, y, order, rows, weight, w1, w2)
        ctx.bounds = bounds
        return back.view(-1, TOPK, HIDDEN).mul_(weight.unsqueeze(-1)).sum(1)

    @staticmethod
    def backward(ctx, dout):
        x, h, gate, up, sig, a, y, order, rows, weight, w1, w2 = ctx.saved_tensors
        bounds = ctx.bounds
        d = dout[rows]
        dw = torch.empty(len(rows), device=d.device)
        dw[order] = (d * y).sum(-1)
        dy = d.mul_(weight.reshape(-1)[order].unsqueeze(1))
        da = torch.empty_like(a)
        dw1, dw2 = torch.empty_like(w1), torch.empty_like(w2)
        db1, db2 = torch.empty(EXPERTS, 2 * INTER, device=d.device), torch.empty(EXPERTS, HIDDEN, device=d.device)
        for e in range(EXPERTS):
            i, j = bounds[e], bounds[e + 1]
            torch.mm(dy[i:j], w2[e], out=da[i:j])
            dw2[e] = torch.mm(dy[i:j].t(), a[i:j])
            torch.sum(dy[i:j], 0, out=db2[e])
        dh = torch.empty_like(h)
        # a = gate * sig * up; the derivative of gate * sig is sig + ALPHA * gate * sig * (1 - sig)
        silu = gate * sig
        torch.mul(da, silu, out=dh[:, INTER:])
        slope = torch.addcmul(sig, silu, 1 - sig, value=ALPHA)
        torch.mul(da.mul_(up), slope, out=dh[:, :INTER])
        dh[:, :INTER].mul_(h[:, :INTER] <= LIMIT)
        dh[:, INTER:].mul_(h[:, INTER:].abs() <= LIMIT)
        dx = torch.empty_like(x)
        for e in range(EXPERTS):
            i, j = bounds[e], bounds[e + 1]
            torch.mm(dh[i:j], w1[e], out=dx[i:j])
            dw1[e] = torch.mm(dh[i:j].t(), x[i:j])
            torch.sum(dh[i:j], 0, out=db1[e])
        back = torch.empty_like(dx)
        back[order] = dx
        return back.view(-1, TOPK, HIDDEN).sum(1), None, dw.view(weight.shape), dw1, db1, dw2, db2


def rmsnorm(x, w):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS) * w


class Model:
    """The forward pass over parameters p (views of one flat buffer)."""

    def __init__(self, p, unused, device):
        self.p, self.device = p, device
        self.margins = None  # a list gets, for each layer, the least distance between a token's last chosen and first other expert, as a share of the largest logit
        self.log_unused = math.log(unused)  # the unknown row stands for this many ids in the softmax
        self.cos, self.sin = rope_tables(MAX_TOKENS, device)
        i = torch.arange(MAX_TOKENS, device=device)
        hidden = i[None, :] > i[:, None]
        far = i[None, :] <= i[:, None] - WINDOW
        zero = torch.zeros(MAX_TOKENS, MAX_TOKENS, device=device)
        self.full = zero.masked_fill(hidden, -1e30)
        self.sliding = zero.masked_fill(hidden | far, -1e30)

    def rope(self, x, cos, sin):  # [T, heads, DIM]
        a, b = x[..., :DIM // 2], x[..., DIM // 2:]
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    def __call__(self, tokens, positions, segments, rows):
        """Logits [len(rows), vocab] after the tokens at rows."""
        p = self.p
        x = F.embedding(tokens, p["embed"])
        cos, sin = self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)
        for n in range(LAYERS):
            t = rmsnorm(x, p[f"{n}.attn_norm"])
            qkv = F.linear(t, p[f"{n}.qkv"], p[f"{n}.qkv_bias"]).view(-1, HEADS + 2 * KV, DIM)
            qk = self.rope(qkv[:, :HEADS + KV], cos, sin)
            q = (qk[:, :HEADS] * DIM ** -0.5).view(-1, KV, HEADS // KV, DIM).permute(1, 2, 0, 3).contiguous()
            k = qk[:, HEADS:].transpose(0, 1).contiguous()
            v = qkv[:, HEADS + KV:].transpose(0, 1).contiguous()
            slides = n % 2 == 0
            a = Attention.apply(q, k, v, p[f"{n}.sinks"], segments, self.sliding if slides else self.full, WINDOW if slides else 0)
            a = a.permute(2, 0, 1, 3).reshape(-1, HEADS * DIM)
            if n == LAYERS - 1:  # only these rows are asked for
                a, x = a[rows], x[rows]
            x = x + F.linear(a, p[f"{n}.o"], p[f"{n}.o_bias"])
            t = rmsnorm(x, p[f"{n}.mlp_norm"])
            r = F.linear(t, p[f"{n}.router"], p[f"{n}.router_bias"])
            z, chosen = torch.topk(r, TOPK, dim=-1)
            if self.margins is not None:
                best = torch.topk(r, TOPK + 1, dim=-1)[0]
                self.margins.append(float((best[:, -2] - best[:, -1]).min() / r.abs().max()))
            x = x + Experts.apply(t, chosen, torch.softmax(z, -1), p[f"{n}.w1"], p[f"{n}.b1"], p[f"{n}.w2"], p[f"{n}.b2"])
        return F.linear(rmsnorm(x, p["norm"]), p["head"])

    def spread(self, logits):
        """Counts the unknown row as often as ids have it."""
        bias = torch.zeros(logits.shape[-1], device=logits.device)
        bias[0] = self.log_unused
        return logits + bias


# ---- data ------------------------------------------------------------------------------------------------------------

class Data:
    """A file of dialogues, its ids mapped to rows of the compact tables."""

    def __init__(self, path, ids=None):
        with open(path[:-4] + ".json") as f:
            index = json.load(f)
        self.skills, self.texts = index["skills"], {int(k): v["text"] for k, v in index["tokens"].items()}
        if ids is None:
            ids = []
        known = set(ids)
        self.ids = ids + sorted(int(k) for k, v in index["tokens"].items() if v["count"] >= MIN_COUNT and int(k) not in known)
        self.raw = np.fromfile(path, dtype="<i4")
        self.at, i = [], 0
        while i < len(self.raw):
            self.at.append(i)
            i += 4 + int(self.raw[i + 2]) + int(self.raw[i + 3])

    def bind(self, ids):
        row = np.zeros(VOCAB, np.int64)
        row[ids] = np.arange(1, len(ids) + 1)
        self.row = row

    def __len__(self):
        return len(self.at)

    def get(self, i):
        """(skill, effort, rows of all tokens, length of the prompt)"""
        skill, effort, prompt, reply = (int(v) for v in self.raw[self.at[i]:self.at[i] + 4])
        start = self.at[i] + 4
        return skill, effort, self.row[self.raw[start:start + prompt + reply]], prompt


def batch(dialogues, device):
    """Packs dialogues: their common prefix once, then what is their own."""
    dialogues = [(d[2][:MAX_TOKENS], d[3]) for d in dialogues]
    shortest = min(prompt for _, prompt in dialogues) - 1
    first = dialogues[0][0]
    common = shortest
    for tokens, _ in dialogues[1:]:
        differ = np.nonzero(tokens[:common] != first[:common])[0]
        if len(differ):
            common = int(differ[0])
    flat, positions, segments, rows, targets, of = [first[:common]], [np.arange(common)], [(0, common)], [], [], []
    at = common
    for i, (tokens, prompt) in enumerate(dialogues):
        n = len(tokens) - 1 - common  # the last token predicts nothing
        flat.append(tokens[common:-1])
        positions.append(np.arange(common, common + n))
        segments.append((at, at + n))
        want = np.arange(prompt - 1, len(tokens) - 1)
        rows.append(at + want - common)
        targets.append(tokens[want + 1])
        of.append(np.full(len(want), i))
        at += n
    t = lambda parts: torch.from_numpy(np.concatenate(parts)).to(device)
    return t(flat), t(positions), segments, t(rows), t(targets), t(of)


# ---- one training step -----------------------------------------------------------------------------------------------

def decays(vocab):
    """Weight decay of each parameter."""
    return [0.05 if len(shape) > 1 and not name.startswith("embed") and not name.endswith(("b1", "b2")) else 0 for name, shape in layout(vocab)]


class Step:
    """A process's part in training, in PyTorch: begin, then block for each block of dialogues, end, gather, update. After each but block
    processes wait for each other. grads are the buffers for the gradient, one for each process."""

    def __init__(self, vocab, texts, device, grads, rank=0):
        self.vocab, self.device, self.grads, self.rank = vocab, device, grads, rank
        self.flat, self.grad = torch.zeros(count(vocab), device=device), grads[rank]
        self.p = views(self.flat, vocab)
        for name, g in views(self.grad, vocab).items():
            self.p[name].requires_grad_()
            self.p[name].grad = g
        self.number_rows, self.digits = (t.to(device) for t in digit_rows(texts))
        self.model = Model(self.p, VOCAB - vocab + 1, device)
        self.decay = torch.cat([torch.full((math.prod(shape),), d) for d, (_, shape) in zip(decays(vocab), layout(vocab))]).to(device)
        self.part = slice(len(self.flat) * rank // len(grads), len(self.flat) * (rank + 1) // len(grads))

    def begin(self, theta, rounded):
        """Takes the parameters for the gradient that follows, and makes that zero."""
        with torch.no_grad():
            self.flat.copy_(theta)
            combine(self.p, self.number_rows, self.digits)
            if rounded:
                effective(self.flat, self.vocab)
        self.grad.zero_()

    def all(self, theta, rounded):
        """Takes all parameters, while the other processes wait."""
        self.begin(theta, rounded)

    def block(self, tokens, positions, segments, rows, targets):
        """Returns the loss summed over known targets, and adds its gradient."""
        loss = F.cross_entropy(self.model.spread(self.model(tokens, positions, segments, rows)), targets, reduction="sum", ignore_index=0)
        loss.backward()
        return loss.item()

    def end(self):
        """Finishes the process's gradient."""
        with torch.no_grad():
            combine_gradient(self.p, self.number_rows, self.digits)

    def gather(self):
        """Sums its part of the gradients of all processes in the first; returns the sum of the squares."""
        mine = self.grads[0][self.part]
        for g in self.grads[1:]:
            mine.add_(g[self.part])
        return float(mine.double().square().sum())

    def update(self, theta, m, v, n, squares, lr, t):
        """AdamW of its part of the parameters with the gradient divided by n, and by its norm if that is above 1; squares is the sum of what
        gather returned in all processes, t counts updates from 1. Returns the norm."""
        norm = math.sqrt(squares) / n
        with torch.no_grad():
            grad, theta, m, v, decay = (x[self.part] for x in (self.grads[0], theta, m, v, self.decay))
            grad = grad / (n * max(1, norm))
            m.mul_(0.9).add_(grad, alpha=0.1)
            v.mul_(0.98).addcmul_(grad, grad, value=0.02)
            theta.addcmul_(theta, decay, value=-lr)
            theta.addcdiv_(m, (v / (1 - 0.98 ** t)).sqrt_().add_(1e-8), value=-lr / (1 - 0.9 ** t))
        return norm


def compile_step(directory, tiles, pieces=None):
    """step.c as a library, compiled in directory unless it is there, or None without a C compiler or OpenBLAS. With tiles the processor's
    tiles multiply matrices, of bfloat16; None where it has none. pieces: see there; by default with tiles."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "step.c")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    blas = None
    for name in ("libopenblas.so.0", "libopenblas.so", "libcblas.so.3"):
        try:
            blas = ctypes.CDLL(name).cblas_sgemm
            break
        except (OSError, AttributeError):
            pass
    if not compiler or not blas or tiles and not {"amx_tile", "amx_bf16", "avx512_bf16", "avx512bw"} <= set(CPU):
        return None
    sizes = {"HIDDEN": HIDDEN, "LAYERS": LAYERS, "HEADS": HEADS, "KV": KV, "DIM": DIM, "EXPERTS": EXPERTS, "TOPK": TOPK, "INTER": INTER, "WINDOW": WINDOW,
             "TILES": int(tiles), "PIECES": int(tiles if pieces is None else pieces), "ALPHA": f"{ALPHA}f", "LIMIT": f"{LIMIT}f", "EPS": f"{EPS}f"}
    # -ffast-math without what makes gcc link code that flushes subnormal numbers to zero in the whole process
    command = [compiler, "-std=gnu11", "-O3", "-march=native", "-mprefer-vector-width=512", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-freciprocal-math", "-ffinite-math-only", "-shared", "-fPIC"]
    command += [f"-D{k}={v}" for k, v in sizes.items()] + [source]
    with open(source, "rb") as f:
        digest = hashlib.sha256(f.read() + " ".join(command + CPU).encode()).hexdigest()[:16]
    path = os.path.join(directory, f"step-{digest}.so")
    if not os.path.exists(path):
        done = subprocess.run(command + ["-o", path + ".new", "-lm"], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            return None
        os.replace(path + ".new", path)
    library = ctypes.CDLL(path)
    pointer, integer, real, double = ctypes.c_void_p, ctypes.c_int, ctypes.c_float, ctypes.c_double
    library.block.argtypes = [pointer] * 4 + [integer] + [pointer] * 2 + [integer, pointer, integer, pointer, pointer, integer, pointer, pointer, real, integer]
    library.effective.argtypes = [pointer] * 2
    library.combine.argtypes = [pointer] * 4 + [integer, pointer, pointer] + [integer] * 5
    library.gather.argtypes = [pointer] * 3 + [integer, pointer, pointer] + [integer] * 3
    library.update.argtypes = [pointer] * 5 + [integer, pointer, double, double, double] + [integer] * 3
    library.multiply.argtypes = [integer] + [pointer] * 3 + [integer] * 4
    library.block.restype = library.gather.restype = library.update.restype = double
    library.effective.restype = library.combine.restype = library.multiply.restype = None
    return library if library.setup(blas) else None


class CStep(Step):
    """Step in C; model remains PyTorch's, on the same parameters, for evaluation. flat and packing are the buffers in which processes
    share those: packing has room for twice as many values of 16 bits."""

    def __init__(self, library, vocab, texts, grads, flat, packing, rank=0):
        super().__init__(vocab, texts, torch.device("cpu"), grads, rank)
        self.library, self.packing, self.flat = library, packing, flat
        for name, t in views(flat, vocab).items():
            self.p[name].data = t
        self.at = np.cumsum([0] + [math.prod(shape) for _, shape in layout(vocab)]).astype(np.int64)
        self.decay = np.array(decays(vocab), np.float32)
        self.digits = self.digits.contiguous()
        self.buffers = np.array([g.data_ptr() for g in grads], np.uintp)
        self.numbers = self.number_rows.data_ptr(), self.digits.data_ptr(), len(self.number_rows)

    def begin(self, theta, rounded):
        self.combine(theta, rounded, False, self.rank)
        self.first = True

    def all(self, theta, rounded):
        for rank in range(len(self.grads)):
            self.combine(theta, rounded, True, rank)

    def combine(self, theta, rounded, all, rank):
        self.library.combine(theta.data_ptr(), self.flat.data_ptr(), self.packing.data_ptr(), self.at.ctypes.data, self.vocab, *self.numbers, rounded, all, rank, len(self.grads))

    def block(self, tokens, positions, segments, rows, targets):
        first, self.first = self.first, False  # what the first does not write it makes zero
        model, cuts = self.model, np.array(segments, np.int64)
        return self.library.block(self.flat.data_ptr(), self.packing.data_ptr(), self.grad.data_ptr(), self.at.ctypes.data, self.vocab, tokens.data_ptr(), positions.data_ptr(), len(tokens),
                                  cuts.ctypes.data, len(cuts), rows.data_ptr(), targets.data_ptr(), len(rows), model.cos.data_ptr(), model.sin.data_ptr(), model.log_unused, first)

    def end(self):
        pass  # gather does it

    def gather(self):
        return self.library.gather(self.flat.data_ptr(), self.buffers.ctypes.data, self.at.ctypes.data, self.vocab, *self.numbers, self.rank, len(self.grads))

    def update(self, theta, m, v, n, squares, lr, t):
        return self.library.update(theta.data_ptr(), m.data_ptr(), v.data_ptr(), self.buffers.ctypes.data, self.at.ctypes.data, self.vocab, self.decay.ctypes.data, n, squares, lr, t,
                                   self.rank, len(self.grads))


def buffers(vocab, procs):
    """What processes share in a step: their gradients, the parameters, those packed."""
    n = count(vocab)
    return [torch.zeros(n) for _ in range(procs)], torch.zeros(n), torch.zeros(2 * (n + 32 * HIDDEN), dtype=torch.int16)


TOLERANCE = 1e-4  # of the largest value of a tensor: the sums are of float32, in another order
MARGIN = 1e-5  # of the largest of the router's logits: nearer ones may be chosen by the order of sums
PRODUCT = 2e-6  # the same for one product in tiles, whose operands are rounded to bfloat16 for the comparison, too
TILES = 0.2, 5e-3  # of a tensor's norm, and of the loss: each operand has an error of up to 1/256, which changes experts of some tokens; 0.08 was seen.
# Gradients of four and eight values, sinks' and the router's bias, nearly cancel (0.26 was seen), so only their size is compared. What a
# mistake in step.c would do shows in the other comparisons, which are of the same code with other products, and of the products.


def check(a):
    """Compares a step of CStep with one of Step: rounding exactly, all else within TOLERANCE. That twice: in the
    pieces that tiles are used with, too. Where the processor has tiles, their products, and with them a step, within TILES."""
    torch.manual_seed(1)
    data = Data(a.data)
    data.bind(data.ids)
    vocab, texts = len(data.ids) + 1, [""] + [data.texts[i] for i in data.ids]
    theta = torch.zeros(count(vocab))
    initialise(theta, vocab, texts)
    for name, t in views(theta, vocab).items():  # nothing trivial, and experts whose inputs reach the limits
        t.mul_(3 if name.endswith((".w1", "head")) else 1).add_(torch.randn(t.shape) * (0.3 if t.dim() == 1 or name.endswith(("b1", "b2")) else 0.02))
    with tempfile.TemporaryDirectory() as directory:
        exact, pieces, tiles = compile_step(directory, False), compile_step(directory, False, True), compile_step(directory, True)
    if not exact:
        print("nothing to check: without a C compiler and OpenBLAS PyTorch computes the step")
        return
    specified = Step(vocab, texts, torch.device("cpu"), [torch.zeros(count(vocab))])
    failed = False

    def compare(what, x, y, tolerance=TOLERANCE, norm=torch.Tensor.amax):
        nonlocal failed
        error = float(norm((x - y).abs()) / norm(x.abs()).clamp(min=1e-30))
        wrong = not error <= tolerance
        failed |= wrong
        print(f"{what:28} {error:.2e}" + (f"  above {tolerance:.0e}" if wrong else ""))

    at = np.cumsum([0] + [math.prod(shape) for _, shape in layout(vocab)]).astype(np.int64)
    for wide in (0, 20, 60):  # rounding: powers of two of many sizes, ties, zeros
        x = theta * torch.exp2(torch.randint(-wide, wide + 1, theta.shape).float())
        x[::3] = x[::3].mul(8).round().div(8)
        x[:4096] = 0
        y = x.clone()
        effective(x, vocab)
        exact.effective(y.data_ptr(), at.ctypes.data)
        compare(f"rounding, 2^+-{wide}", x, y, 0)

    long = np.concatenate([data.get(i)[2] for i in range(0, 400, 20)])  # artificial dialogues: positions beyond the window, a prefix longer than it
    cases = [(f"block {b}", [data.get(b * BLOCK + j) for j in range(BLOCK)]) for b in range(3)]
    cases += [("one long dialogue", [(0, 0, long[:500], 60)]), ("a long prefix", [(0, 0, np.concatenate((long[:200], long[k:k + 190])), 230) for k in (300, 500, 700)])]
    for kind, library in {"": exact, "pieces: ": pieces, "tiles: ": tiles}.items():
        if not library:
            continue
        grads, flat, packing = buffers(vocab, 2)
        both = [CStep(library, vocab, texts, grads, flat, packing, rank) for rank in range(2)]  # what two processes do, one after the other
        limits = {"tolerance": TILES[0], "norm": torch.linalg.vector_norm} if library is tiles else {}
        if library is tiles:
            print("tiles: products")
            for m, n, k in [(1, 32, 32), (16, 32, 128), (17, 64, 32), (31, 96, 64), (33, 224, 128), (390, 256, 128), (130, 128, 256), (70, vocab, 128), (5, 39, 32)]:
                products(compare, library, m, n, k)
        for what, dialogues in cases:
            inputs = batch(dialogues, torch.device("cpu"))[:5]
            inputs[4][::17] = 0  # some unknown targets
            print(f"{kind}{what}: {len(inputs[0])} tokens, {len(inputs[3])} targets, segments of up to {max(e - b for b, e in inputs[2])} tokens, prefix {inputs[2][0][1]}")
            parameters = theta
            while True:  # until no token is undecided between two experts
                specified.begin(parameters, False)
                specified.model.margins = []
                specified.model(*inputs[:4])
                if min(specified.model.margins) > MARGIN:
                    break
                parameters = parameters + torch.randn(theta.shape) * 1e-3
            both[0].all(parameters, False)
            compare("combine", specified.flat.detach(), flat, 1e-6)
            for engine in both:
                engine.begin(parameters, False)
            if library is not tiles:
                flat.copy_(specified.flat.detach())
            losses = [[s.block(*inputs) for s in steps] for steps in ([specified] * 3, [both[0], both[0], both[1]])]
            specified.end()
            squares = sum(s.gather() for s in both)
            compare("loss", torch.tensor(losses[0]), torch.tensor(losses[1]), TILES[1] if library is tiles else 1e-6)
            small = slice(*at[[2, 5]])  # copy's and the digits' gradients are summed by update
            grads[0][small] += grads[1][small]
            for (name, x), y in zip(views(specified.grad, vocab).items(), views(grads[0], vocab).values()):
                compare(name, x, y, **(limits if x.numel() >= HIDDEN or not limits else dict(limits, tolerance=1)))
            grads[1][small] = 0
            n, m, v = 0.3 * float(specified.grad.norm()), torch.randn_like(theta) * 1e-3, torch.rand_like(theta) * 1e-6
            results = []
            for steps in ([specified], both):
                state = theta.clone(), m.clone(), v.clone()
                square = squares if steps is both else specified.gather()
                results.append(state + (torch.tensor([s.update(*state, n, square, 1e-2, 7) for s in steps[:1]]),))
                for s in steps[1:]:
                    s.update(*state, n, square, 1e-2, 7)
            for i, name in enumerate(("theta", "m", "v", "norm")):
                x, y = (r[i] - theta * (i == 0) if i < 3 else r[i] for r in results)
                compare(f"update: {name}", x, y, **limits)
    print("FAILED" if failed else f"ok: all within {TOLERANCE:.0e}, rounding exact" + (f"; with tiles products within {PRODUCT:.0e}, a step within {TILES[0]}" if tiles else ""))
    sys.exit(failed)


def products(compare, library, m, n, k):
    """Compares products in tiles with those of the same operands, rounded to bfloat16, in float64."""
    wide = (n + 31) // 32 * 32
    for which, name in enumerate(("forward", "backward", "outer")):
        for add in (0, 1):
            x, y, w = torch.randn(m, k), torch.randn(m, wide), torch.randn(n, k)
            y[:, n:] = 0
            xd, yd, wd = (t.bfloat16().double() for t in (x, y[:, :n], w))
            result = (y[:, :n], x, w)[which]
            want = (xd @ wd.t(), yd @ wd, yd.t() @ xd)[which] + add * result.double()
            library.multiply(which, x.data_ptr(), y.data_ptr(), w.data_ptr(), m, n, k, add)
            compare(f"{name} {m} {n} {k}" + " added" * add, want, result.double(), PRODUCT)


# ---- training --------------------------------------------------------------------------------------------------------

def schedule(p):
    """Learning rate as a share of the highest: constant for 40 %, then down to 2 %."""
    return 1 if p < 0.4 else 1 - 0.98 * min(1, (p - 0.4) / 0.6)


def share(dialogues, rank, procs):
    """A process's share of a block's dialogues: as many tokens as the others have, nearly."""
    shares, tokens = [[] for _ in range(procs)], [0] * procs
    for d in sorted(dialogues, key=lambda d: -len(d[2])):
        least = tokens.index(min(tokens))
        shares[least].append(d)
        tokens[least] += len(d[2])
    return shares[rank]


def worker(rank, a, shared, barrier):
    """One of the processes. In each step it computes the gradient of its share of the dialogues, and then sums all gradients and updates
    the parameters for its part of them."""
    torch.set_num_threads(1 if shared["procs"] > 1 else a.threads)
    device, procs = torch.device(a.device), shared["procs"]
    data, test = shared["data"], shared["test"]
    vocab = len(shared["ids"]) + 1
    theta, m, v, grads, sums = shared["theta"], shared["m"], shared["v"], shared["grads"], shared["sums"]
    engine = CStep(shared["library"], vocab, shared["texts"], grads, shared["flat"], shared["packing"], rank) if shared["library"] else Step(vocab, shared["texts"], device, grads, rank)
    blocks = len(data) // BLOCK
    step, seen = shared["step"], shared["seen"]
    began = time.time() - 60 * shared["minutes"]
    logged, logged_at, logged_seen = torch.zeros(2, dtype=torch.float64), time.time(), seen
    while True:
        if rank == 0:
            shared["clock"][0] = (time.time() - began) / 60
        barrier.wait()  # all parameters are updated
        minutes = float(shared["clock"][0])
        done = step / a.steps if a.steps else (minutes - a.since) / (a.minutes - a.since)
        if rank == 0 and step > shared["step"]:
            if step % 500 == 0 or done >= 1:
                save(a, shared, step, minutes, seen)
            if step % a.eval_every == 0:
                engine.all(theta, True)
                print(summary(test.skills, evaluate(engine.model, test, device, a.eval_cell)[0], step), flush=True)
        if done >= 1:
            return
        if step % a.eval_every == 0:
            barrier.wait()  # the parameters that are evaluated are shared
        rounded = done >= a.round_from
        engine.begin(theta, rounded)
        sums[rank] = 0
        barrier.wait()  # all have their parts of the parameters
        for i in range(a.accumulate):
            b = (step * a.accumulate + i) % blocks
            ids, positions, segments, rows, targets, _ = batch(share([data.get(b * BLOCK + j) for j in range(BLOCK)], rank, procs), device)
            sums[rank, 0] += engine.block(ids, positions, segments, rows, targets)
            sums[rank, 1] += int((targets != 0).sum())
            sums[rank, 2] += len(ids)
        engine.end()
        barrier.wait()  # all gradients are there
        sums[rank, 3] = engine.gather()
        barrier.wait()
        loss, n, tokens, square = sums.sum(0).tolist()
        lr = a.lr * schedule(done) * min(1, (step - shared["first_step"] + 1) / a.warmup)
        norm = engine.update(theta, m, v, n, square, lr, step - shared["first_step"] + 1)
        step, seen = step + 1, seen + int(tokens)
        logged += torch.tensor([loss, n], dtype=torch.float64)
        if rank == 0 and step % 100 == 0:
            now = time.time()
            print(json.dumps({"step": step, "minutes": round(minutes, 2), "tokens": seen, "loss": round(float(logged[0] / logged[1]), 5), "lr": round(lr, 6), "norm": round(norm, 3), "rounded": rounded,
                              "tokens_per_second": round((seen - logged_seen) / (now - logged_at))}), flush=True)
            logged.zero_()
            logged_at, logged_seen = now, seen


def save(a, shared, step, minutes, seen):
    path = os.path.join(a.out, "last.pt")
    torch.save({"theta": shared["theta"].cpu(), "m": shared["m"].cpu(), "v": shared["v"].cpu(), "ids": shared["ids"], "texts": shared["texts"], "step": step, "minutes": minutes, "seen": seen,
                "first_step": shared["first_step"]}, path + ".new")
    os.replace(path + ".new", path)


def evaluate(model, test, device, per_cell):
    """[skills, 3, 2]: dialogues of which every generated token is the most likely one, and all dialogues; and which dialogues are not exact."""
    result = torch.zeros(len(test.skills), 3, 2)
    cells, inexact = {}, []
    for i in range(len(test)):
        skill, effort = int(test.raw[test.at[i]]), int(test.raw[test.at[i] + 1])
        cells.setdefault((skill, effort), []).append(i)
    work = []
    for key, members in cells.items():
        members = members[:per_cell]
        work += [(key, members[j:j + BLOCK]) for j in range(0, len(members), BLOCK)]
    with torch.no_grad():
        for key, members in work:
            flat, positions, segments, rows, targets, of = batch([test.get(i) for i in members], device)
            wrong = (model.spread(model(flat, positions, segments, rows)).argmax(-1) != targets).long()
            # the unknown row's multiplicity does not matter for the largest logit, but is the stricter test
            errors = torch.zeros(len(members), dtype=torch.long, device=device).index_add_(0, of, wrong)
            result[key[0], key[1], 0] += float((errors == 0).sum())
            result[key[0], key[1], 1] += len(members)
            inexact += [i for i, n in zip(members, errors.tolist()) if n]
    return result, inexact


def greedy(model, prompts, stops, limit=400):
    """The most likely continuations of prompts (lists of rows), up to a stop, which is part of them. Everything is computed again for each
    token: there are few of them."""
    replies, open_ = [[] for _ in prompts], list(range(len(prompts)))
    with torch.no_grad():
        while open_:
            # batch leaves the last token out, as what is to be predicted: any will do
            flat, positions, segments, rows, _, _ = batch([(0, 0, np.array(prompts[i] + replies[i] + [0]), len(prompts[i]) + len(replies[i])) for i in open_], model.device)
            for i, token in zip(open_, model.spread(model(flat, positions, segments, rows)).argmax(-1).tolist()):
                replies[i].append(token)
            open_ = [i for i in open_ if replies[i][-1] not in stops and len(replies[i]) < limit]
    return replies


def percent(skills, right, asked):
    share = 100 * right / asked.clamp(min=1)
    return {s: [round(float(v), 1) for v in share[i]] for i, s in enumerate(skills)}


def summary(skills, result, step):
    cells = percent(skills, result[..., 0], result[..., 1])
    return json.dumps({"eval": step, "mean": round(float((100 * result[..., 0] / result[..., 1].clamp(min=1)).mean()), 2), "exact": cells})


def start(a, data):
    """Shared state: new, or from the last checkpoint; new tokens of the data get rows."""
    path = os.path.join(a.out, "last.pt")
    torch.manual_seed(a.seed)
    if not os.path.exists(path):
        ids = data.ids
        flat = torch.zeros(count(len(ids) + 1))
        texts = [""] + [data.texts[i] for i in ids]
        initialise(flat, len(ids) + 1, texts)
        return {"texts": texts, "theta": flat, "m": torch.zeros_like(flat), "v": torch.zeros_like(flat), "ids": ids, "step": 0, "minutes": 0.0, "seen": 0, "first_step": 0}
    last = torch.load(path)
    old, ids = last["ids"], data.ids
    if len(ids) > len(old):
        before, after = len(old) + 1, len(ids) + 1
        for key in ("theta", "m", "v"):
            flat = torch.zeros(count(after))
            for name, t in views(flat, after).items():
                o = views(last[key], before)[name]
                t[:len(o)] = o
                if len(o) < len(t) and key == "theta":  # a new token begins as the unknown one
                    t[len(o):] = o[0] + torch.randn(len(t) - len(o), HIDDEN) * (0.3 if name == "embed" else 0.02)
            last[key] = flat
        last["texts"] += [data.texts[i] for i in ids[len(old):]]
        last["ids"] = ids
    if a.restart:  # a new schedule on trained parameters: the moments begin anew
        last["first_step"] = last["step"]
        last["m"].zero_()
        last["v"].zero_()
    return last


def train(a):
    os.makedirs(a.out, exist_ok=True)
    path = os.path.join(a.out, "last.pt")
    data = Data(a.data, torch.load(path)["ids"] if os.path.exists(path) else None)
    state = start(a, data)
    data.bind(state["ids"])
    test = Data(a.test)
    test.bind(state["ids"])
    procs = min(a.procs, BLOCK) if a.device == "cpu" else 1
    library = None
    for engine in ("tiles", "c") if a.device == "cpu" else ():
        if not library and a.engine in (engine, None):
            library = compile_step(a.out, engine == "tiles")
            name = engine
    if a.engine in ("tiles", "c") and not library:
        sys.exit(f"train.py: --engine {a.engine} needs a CPU, a C compiler and OpenBLAS" + (", and a CPU and a kernel with AMX" if a.engine == "tiles" else ""))
    a.since = state["minutes"] if a.restart else a.since
    if not a.steps and a.minutes <= a.since:
        sys.exit(f"train.py: --minutes counts from the beginning of the training: want more than the {a.since:.0f} at which the schedule begins")
    print(json.dumps({"dialogues": len(data), "ids": len(state["ids"]), "parameters": len(state["theta"]), "procs": procs, "device": a.device, "torch": torch.__version__, "engine": name if library else "torch", "step": state["step"],
                      "arguments": {k: v for k, v in vars(a).items() if k != "run"}}), flush=True)
    shared = dict(state, data=data, test=test, procs=procs, library=library)
    for key in ("theta", "m", "v"):
        shared[key] = shared[key].to(a.device)
    shared["seen"] = int(state["seen"])
    shared["grads"], shared["flat"], shared["packing"] = buffers(len(state["ids"]) + 1, procs)
    shared["grads"] = [g.to(a.device) for g in shared["grads"]]
    shared["sums"] = torch.zeros(procs, 4, dtype=torch.float64)  # of a step, by process: loss, known targets, tokens, and the gradient's part squared
    shared["clock"] = torch.zeros(1, dtype=torch.float64)  # minutes
    context = mp.get_context("fork")
    barrier = context.Barrier(procs)
    if procs == 1:
        return worker(0, a, shared, barrier)
    for t in [shared[key] for key in ("theta", "m", "v", "sums", "clock", "flat", "packing")] + shared["grads"]:
        t.share_memory_()
    workers = [context.Process(target=worker, args=(r, a, shared, barrier), daemon=True) for r in range(procs)]
    for w in workers:
        w.start()
    while any(w.is_alive() for w in workers):
        connection.wait([w.sentinel for w in workers if w.is_alive()])
        if any(w.exitcode for w in workers):  # the others would wait for it
            sys.exit(1)


def load(a):
    """The last checkpoint, and its parameters as they are exported."""
    last = torch.load(os.path.join(a.out, "last.pt"), map_location="cpu")
    vocab = len(last["ids"]) + 1
    flat = last["theta"].clone()
    p = views(flat, vocab)
    combine(p, *digit_rows(last["texts"]))
    effective(flat, vocab)
    return last, p


def evaluate_command(a):
    last, p = load(a)
    model = Model(p, VOCAB - len(last["ids"]), torch.device("cpu"))
    test = Data(a.test)
    test.bind(last["ids"])
    result, inexact = evaluate(model, test, torch.device("cpu"), a.per_cell)
    # Where a token is not the expected one the answer can still be: the dialogue is right if all from the last channel on is.
    right = result[..., 0].clone()
    channel, stops = int(test.row[200005]), {int(test.row[i]) for i in (200002, 200012, 199999)}
    answer = lambda reply: reply[len(reply) - 1 - reply[::-1].index(channel):] if channel in reply else None
    replies, wrong = {}, []
    for j in range(0, len(inexact), BLOCK):
        members = inexact[j:j + BLOCK]
        dialogues = [test.get(i) for i in members]
        for i, (skill, effort, rows, prompt), reply in zip(members, dialogues, greedy(model, [list(d[2][:d[3]]) for d in dialogues], stops)):
            replies[i] = reply
            if answer(reply) == answer(list(rows[prompt:])):
                right[skill, effort] += 1
            else:
                wrong.append(i)
    print(json.dumps({"step": last["step"], "asked": int(result[0, 0, 1]), "mean": round(float((100 * right / result[..., 1].clamp(min=1)).mean()), 2), "right": percent(test.skills, right, result[..., 1]),
                      "exact": percent(test.skills, result[..., 0], result[..., 1])}))
    if a.replies:
        ids = [-1] + last["ids"]  # no reply that is kept has the unknown row
        members = [i for i in range(len(test)) if i % 200 < a.per_cell]
        every = max(1, len(members) // a.count)
        with open(a.replies, "w") as f:
            for i in members[::every][:a.count]:
                start, (_, _, rows, prompt) = test.at[i] + 4, test.get(i)
                f.write(json.dumps({"prompt": test.raw[start:start + prompt].tolist(), "reply": [ids[r] for r in replies.get(i, rows[prompt:])]}) + "\n")
    for i in wrong[:a.show]:
        skill, effort, rows, prompt = test.get(i)
        text = lambda rows: "".join(last["texts"][r] or "?" for r in rows)
        print(f"--- {test.skills[skill]} {effort}\n{text(rows[:prompt])[-400:]}\n  want {text(rows[prompt:])}\n  got  {text(replies[i])}", file=sys.stderr)


# ---- export ----------------------------------------------------------------------------------------------------------

def config(vocab, token):
    """config.json of a model with vocab rows; token turns an id into one of its rows."""
    return {
        "architectures": ["GptOssForCausalLM"], "attention_bias": True, "attention_dropout": 0.0, "eos_token_id": token(200002), "experts_per_token": TOPK, "head_dim": DIM, "hidden_act": "silu",
        "hidden_size": HIDDEN, "initial_context_length": ORIGINAL, "initializer_range": 0.02, "intermediate_size": INTER,
        "layer_types": [["sliding_attention", "full_attention"][n % 2] for n in range(LAYERS)], "max_position_embeddings": int(ORIGINAL * FACTOR), "model_type": "gpt_oss",
        "num_attention_heads": HEADS, "num_experts_per_tok": TOPK, "num_hidden_layers": LAYERS, "num_key_value_heads": KV, "num_local_experts": EXPERTS, "output_router_logits": False,
        "pad_token_id": token(199999),
        "quantization_config": {"modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"], "quant_method": "mxfp4"},
        "rms_norm_eps": EPS,
        "rope_scaling": {"beta_fast": FAST, "beta_slow": SLOW, "factor": FACTOR, "original_max_position_embeddings": ORIGINAL, "rope_type": "yarn", "truncate": False},
        "rope_theta": int(THETA), "router_aux_loss_coef": 0.9, "sliding_window": WINDOW, "swiglu_limit": LIMIT, "tie_word_embeddings": False, "transformers_version": "4.55.0.dev0",
        "use_cache": True, "vocab_size": vocab,
    }


def generation_config(token):
    return {"bos_token_id": token(199998), "do_sample": True, "eos_token_id": [token(200002), token(199999), token(200012)], "pad_token_id": token(199999), "transformers_version": "4.55.0.dev0"}


def bf16(t):
    return ("BF16", t.shape, (t.contiguous().float().view(torch.int32) >> 16).to(torch.int16).numpy().tobytes())


def pack(w):
    """MXFP4 of [E, out, in]: blocks [E, out, in/32, 16] (low nibble first) and scales [E, out, in/32]."""
    rounded, exponent = mxfp4(w)
    e, out, k = w.shape
    unit = torch.ldexp(rounded.reshape(e, out, k // 32, 32), -exponent.unsqueeze(-1))
    code = (unit.abs().unsqueeze(-1) - E2M1).abs().argmin(-1).to(torch.uint8)
    assert torch.equal(E2M1[code.long()], unit.abs()), "a value is not on the grid"
    code = code | ((unit < 0).to(torch.uint8) << 3)
    blocks = code[..., 0::2] | (code[..., 1::2] << 4)
    return ("U8", blocks.shape, blocks.numpy().tobytes()), ("U8", exponent.shape, (exponent + 127).to(torch.uint8).numpy().tobytes())


def interleave(t):
    """Rows gate_0 .. gate_n, up_0 .. up_n become gate_0, up_0, gate_1, up_1 ...; rows are axis 1."""
    gate, up = t[:, :INTER], t[:, INTER:]
    return torch.stack((gate, up), 2).reshape(t.shape)


def export(a):
    last, p = load(a)
    ids, tensors = last["ids"], {}
    token = (lambda i: ids.index(i) + 1 if i in ids else 0) if a.compact else (lambda i: i)
    def table(t):
        if a.compact:
            return bf16(t)
        full = t[0].repeat(VOCAB, 1)
        full[torch.tensor(ids)] = t[1:]
        return bf16(full)
    tensors["model.embed_tokens.weight"] = table(p["embed"])
    for n in range(LAYERS):
        name = f"model.layers.{n}."
        tensors[name + "input_layernorm.weight"] = bf16(p[f"{n}.attn_norm"])
        w, b = p[f"{n}.qkv"], p[f"{n}.qkv_bias"]
        cuts = {"q_proj": (0, HEADS * DIM), "k_proj": (HEADS * DIM, (HEADS + KV) * DIM), "v_proj": ((HEADS + KV) * DIM, (HEADS + 2 * KV) * DIM)}
        for which, (i, j) in cuts.items():
            tensors[f"{name}self_attn.{which}.weight"], tensors[f"{name}self_attn.{which}.bias"] = bf16(w[i:j]), bf16(b[i:j])
        tensors[name + "self_attn.o_proj.weight"], tensors[name + "self_attn.o_proj.bias"] = bf16(p[f"{n}.o"]), bf16(p[f"{n}.o_bias"])
        tensors[name + "self_attn.sinks"] = bf16(p[f"{n}.sinks"])
        tensors[name + "post_attention_layernorm.weight"] = bf16(p[f"{n}.mlp_norm"])
        tensors[name + "mlp.router.weight"], tensors[name + "mlp.router.bias"] = bf16(p[f"{n}.router"]), bf16(p[f"{n}.router_bias"])
        experts = name + "mlp.experts."
        tensors[experts + "gate_up_proj_blocks"], tensors[experts + "gate_up_proj_scales"] = pack(interleave(p[f"{n}.w1"]))
        tensors[experts + "gate_up_proj_bias"] = bf16(interleave(p[f"{n}.b1"]))
        tensors[experts + "down_proj_blocks"], tensors[experts + "down_proj_scales"] = pack(p[f"{n}.w2"])
        tensors[experts + "down_proj_bias"] = bf16(p[f"{n}.b2"])
    tensors["model.norm.weight"] = bf16(p["norm"])
    tensors["lm_head.weight"] = table(p["head"])
    # Three shards: whoever unpacks them from an archive needs no more than one of them at a time.
    shards = [["model.embed_tokens.weight"], [n for n in tensors if n not in ("model.embed_tokens.weight", "lm_head.weight")], ["lm_head.weight"]]
    files, index = {}, {}
    for i, names in enumerate(shards):
        file = f"model-{i:05d}-of-{len(shards) - 1:05d}.safetensors"  # gpt-oss counts from 0 and names the last
        index.update({name: file for name in names})
        header, at = {}, 0
        for name in names:
            dtype, shape, raw = tensors[name]
            header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(raw)]}
            at += len(raw)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        files[file] = b"".join([struct.pack("<Q", len(text)), text] + [tensors[name][2] for name in names])
    as_json = lambda value: json.dumps(value, separators=(",", ":")).encode() + b"\n"
    total = sum(len(raw) for _, _, raw in tensors.values())
    files["model.safetensors.index.json"] = as_json({"metadata": {"total_size": total}, "weight_map": index})
    files["config.json"], files["generation_config.json"] = as_json(config(len(ids) + 1 if a.compact else VOCAB, token)), as_json(generation_config(token))
    if a.compact:
        files["ids.json"] = as_json([-1] + ids)
    if a.checkpoint.endswith(".zip"):
        with zipfile.ZipFile(a.checkpoint, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
            for name, data in sorted(files.items()):
                info = zipfile.ZipInfo(name)  # dated 1980: the same parameters give the same archive
                info.compress_type = zipfile.ZIP_DEFLATED
                z.writestr(info, data)
        return
    os.makedirs(a.checkpoint, exist_ok=True)
    for name, data in files.items():
        with open(os.path.join(a.checkpoint, name), "wb") as f:
            f.write(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    t = commands.add_parser("train")
    t.add_argument("--data", required=True)
    t.add_argument("--test", required=True)
    t.add_argument("--out", required=True)
    t.add_argument("--steps", type=int, default=0, help="steps in all")
    t.add_argument("--minutes", type=float, default=0, help="minutes in all, instead of steps")
    t.add_argument("--since", type=float, default=0, help="minutes at which the schedule begins")
    t.add_argument("--restart", action="store_true", help="begin a new schedule on the parameters of the last checkpoint")
    t.add_argument("--round-from", type=float, default=0.72, help="share of the schedule after which parameters are rounded in the forward pass")
    t.add_argument("--lr", type=float, default=2.5e-3)
    t.add_argument("--warmup", type=int, default=200)
    t.add_argument("--engine", choices=("tiles", "c", "torch"), help="what computes the training step: step.c with the processor's tiles, step.c, PyTorch; by default the first that there is")
    t.add_argument("--accumulate", type=int, default=1, help="blocks of 12 dialogues per step")
    t.add_argument("--procs", type=int, default=min(2, CORES), help="processes that share the work of each step, on CPU; by default one for each core, two at most")
    t.add_argument("--threads", type=int, default=1)
    t.add_argument("--eval-every", type=int, default=6000)
    t.add_argument("--eval-cell", type=int, default=24)
    t.add_argument("--seed", type=int, default=1)
    t.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    t.set_defaults(run=train)
    e = commands.add_parser("eval")
    e.add_argument("--test", required=True)
    e.add_argument("--out", required=True)
    e.add_argument("--per-cell", type=int, default=200)
    e.add_argument("--replies", help="file for prompts and the model's replies, as JSON lines")
    e.add_argument("--count", type=int, default=200, help="replies to write, from all skills")
    e.add_argument("--show", type=int, default=0, help="wrong replies to print")
    e.set_defaults(run=evaluate_command)
    c = commands.add_parser("check")
    c.add_argument("--data", required=True)
    c.set_defaults(run=check)
    x = commands.add_parser("export")
    x.add_argument("--out", required=True)
    x.add_argument("--checkpoint", required=True)
    x.add_argument("--compact", action="store_true", help="leave the rows of unused ids out: greedily the same model, many times as fast, for `nano eval`; ids.json has the id of each row")
    x.set_defaults(run=export)
    a = parser.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
