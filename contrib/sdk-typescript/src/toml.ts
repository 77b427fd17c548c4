import type { CodexConfigObject, CodexConfigValue } from "./options.js";

const BARE_KEY = /^[A-Za-z0-9_-]+$/;
const PATH_PART = /^[^.="'\s]+$/;

/**
 * The `key=value` arguments that say the same as an object: one per leaf, so that they add to the tables of
 * config.toml and replace none. Throws TypeError for what TOML cannot say.
 */
export function configArguments(config: CodexConfigObject): string[] {
  if (!isTable(config)) {
    throw new TypeError("config must be an object");
  }
  return leaves(config, []);
}

function leaves(table: CodexConfigObject, path: string[]): string[] {
  const found: string[] = [];
  for (const [key, value] of Object.entries(table)) {
    if (value === undefined) {
      continue;
    }
    const here = [...path, key];
    if (isTable(value) && Object.keys(value).length > 0) {
      found.push(...leaves(value, here));
    } else {
      found.push(`${here.map(pathPart).join(".")}=${tomlValue(value, here)}`);
    }
  }
  return found;
}

/** A TOML value. `path` is where it stands, for errors. */
export function tomlValue(value: CodexConfigValue, path: string[] = []): string {
  if (typeof value === "string") {
    return tomlString(value);
  }
  if (typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))) {
    return String(value);
  }
  if (Array.isArray(value)) {
    return `[${value.map((member, at) => tomlValue(member, [...path, String(at)])).join(", ")}]`;
  }
  if (isTable(value)) {
    const members: string[] = [];
    for (const [key, member] of Object.entries(value)) {
      if (member !== undefined) {
        members.push(`${tomlKey(key)} = ${tomlValue(member, [...path, key])}`);
      }
    }
    return `{${members.join(", ")}}`;
  }
  throw new TypeError(`config: ${path.join(".")} is ${String(value)}, which TOML cannot say`);
}

/** The program divides paths at each dot and knows no quotes in them. */
function pathPart(key: string): string {
  if (!PATH_PART.test(key)) {
    throw new TypeError(`config: the key ${JSON.stringify(key)} cannot be part of a path; use configOverrides`);
  }
  return key;
}

function tomlKey(key: string): string {
  return BARE_KEY.test(key) ? key : tomlString(key);
}

/** JSON escapes all that TOML wants escaped, but for DEL. */
function tomlString(text: string): string {
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}

function isTable(value: unknown): value is CodexConfigObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
