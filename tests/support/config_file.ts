/** A configuration in a folder of its own, replaced in each of the ways that real systems replace files. */

/**
 * in_place: truncated and written, as `echo >` does. rename: written beside it and moved over, as editors do.
 * symlink: the folder behind a link is exchanged, as Kubernetes does with ConfigMaps; needs the symlink layout.
 */
export type Replacement = "in_place" | "rename" | "symlink";

export class ConfigFile {
  readonly folder: string;
  /** What `--config` gets. */
  readonly path: string;
  readonly #layout: "plain" | "symlink";
  #version: number;

  /** @param layout symlink: config.toml → ..data/config.toml, ..data → ..v1. */
  constructor(text: string, layout: "plain" | "symlink" = "plain") {
    this.folder = Deno.makeTempDirSync({ prefix: "sluice_test_" });
    this.path = `${this.folder}/config.toml`;
    this.#layout = layout;
    this.#version = 0;
    if (layout === "plain") Deno.writeTextFileSync(this.path, text);
    else {
      this.#exchangeFolder(text);
      Deno.symlinkSync("..data/config.toml", this.path);
    }
  }

  write(text: string, how: Replacement = "rename"): void {
    if (how === "in_place") Deno.writeTextFileSync(this.path, text);
    if (how === "rename") {
      const beside = `${this.folder}/.config.toml.new`;
      Deno.writeTextFileSync(beside, text);
      Deno.renameSync(beside, this.path);
    }
    if (how === "symlink") {
      if (this.#layout !== "symlink") throw new TypeError("Cannot swap a symlink: the layout is plain");
      this.#exchangeFolder(text);
    }
  }

  /** Puts another file beside the configuration. @returns Its path. */
  add(name: string, content: string): string {
    Deno.writeTextFileSync(`${this.folder}/${name}`, content);
    return `${this.folder}/${name}`;
  }

  remove(): void {
    Deno.removeSync(this.folder, { recursive: true });
  }

  #exchangeFolder(text: string): void {
    this.#version += 1;
    const name = `..v${this.#version}`;
    Deno.mkdirSync(`${this.folder}/${name}`);
    Deno.writeTextFileSync(`${this.folder}/${name}/config.toml`, text);
    Deno.symlinkSync(name, `${this.folder}/..data_new`);
    Deno.renameSync(`${this.folder}/..data_new`, `${this.folder}/..data`);
    if (this.#version > 1) Deno.removeSync(`${this.folder}/..v${this.#version - 1}`, { recursive: true });
  }
}
