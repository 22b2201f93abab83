// Requests of the worker that the page answers, by a function that only it has (create's option fetch). The worker sends a FetchRequest with
// a port of its own; there the page sends a FetchAnswer, then a FetchPiece for each message 'more'. 'stop' ends the request.

export interface FetchRequest {
  url: string;
  method: string;
  headers: Record<string, string>;
  cache: RequestCache | undefined;
  port: MessagePort;
}

export type FetchAnswer =
  | { status: number; headers: Record<string, string>; url: string; redirected: boolean; empty: boolean }
  /** There is none. */
  | { error: string };

/** undefined: the body has ended. */
export type FetchPiece = { bytes: Uint8Array<ArrayBuffer> | undefined } | { error: string };
