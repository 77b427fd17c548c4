import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Calls `use` with the path of a file that holds the schema, or without one; the file is gone afterwards. */
export async function* withSchemaFile<T>(
  schema: unknown,
  use: (path: string | undefined) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  if (schema === undefined) {
    yield* use(undefined);
    return;
  }
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    throw new TypeError("outputSchema must be an object that is a JSON Schema");
  }
  // A folder of our own: its mode keeps other users out.
  const folder = await mkdtemp(join(tmpdir(), "codex-schema-"));
  try {
    const path = join(folder, "schema.json");
    await writeFile(path, JSON.stringify(schema));
    yield* use(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
