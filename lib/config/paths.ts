/** Paths of files, without asking the file system: POSIX, as Deno takes them on every system it runs servers on. */

/** @param folder Absolute, or "" to leave a relative path as it is. */
export function resolvePath(folder: string, path: string): string {
  const whole = path.startsWith("/") || folder === "" ? path : `${folder}/${path}`;
  const isAbsolute = whole.startsWith("/");
  const parts: string[] = [];
  for (const part of whole.split("/")) {
    if (part === "" || part === ".") continue;
    const canClimb = parts.length > 0 && parts[parts.length - 1] !== "..";
    if (part !== "..") parts.push(part);
    else if (canClimb) parts.pop();
    else if (!isAbsolute) parts.push("..");
  }
  return (isAbsolute ? "/" : "") + parts.join("/");
}

/** The folder that a file is in; "." for a bare name. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "." : slash === 0 ? "/" : path.slice(0, slash);
}

export function fileNameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
