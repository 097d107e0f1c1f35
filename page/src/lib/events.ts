/** Server-sent events from a `fetch`, which unlike EventSource may carry a token. */

/** Data of whole events in some text, and what is left of the last, unfinished one. */
export function split(text: string): { data: string[]; rest: string } {
  const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = blocks.pop() ?? "";
  const data = blocks
    .map((block) =>
      block
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).replace(/^ /, ""))
        .join("\n"),
    )
    .filter((each) => each !== "");
  return { data, rest };
}

/** The data of the events of a stream, as they come. */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let kept = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const { data, rest } = split(kept + value);
      kept = rest;
      yield* data;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
