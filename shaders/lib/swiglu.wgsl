// The activation between an expert's two products. Only the upper side of the gate is clamped.
// source openai/gpt-oss torch/model.py swiglu
fn swiglu(gate: f32, up: f32, limit: f32, alpha: f32) -> f32 {
  let g = min(gate, limit);
  let e = exp(-abs(alpha * g)); // never overflows
  return ((g * select(e, 1.0, g >= 0.0)) / (1.0 + e)) * (clamp(up, -limit, limit) + 1.0);
}
