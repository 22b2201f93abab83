// The report of a benchmark, in the form of `gossamer bench --json`.

/** Tokens a second. */
export interface Speed {
  mean: number;
  stddev: number;
  runs: number;
}

export interface Report {
  model: string;
  backend: 'webgpu';
  adapter: string;
  machine: string;
  date: string;
  context: number;
  kv: string;
  load: { seconds: number; weight_bytes: number; bytes_per_second: number };
  copy_bytes_per_second: number;
  memory: { weight_bytes: number; kv_bytes: number; scratch_bytes: number };
  time_to_first_token_ms: number;
  prefill: { depth: number; tokens: number; tokens_per_second: Speed }[];
  decode: { depth: number; tokens: number; tokens_per_second: Speed; weight_bytes_per_token: number; kv_bytes_per_token: number; gb_per_second: number; of_copy_bandwidth: number }[];
}
