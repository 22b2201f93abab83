// Files that are dropped anywhere on the page.

/** Takes the files that are dropped, with those of folders, by their paths: that they are is told at once. */
export function takeDrops(take: (files: Promise<Map<string, File>>) => void): void {
  const page = document.documentElement;
  const hasFiles = (e: DragEvent) => e.dataTransfer?.types.includes('Files') ?? false;
  page.addEventListener('dragover', (e) => {
    if (hasFiles(e)) {
      e.preventDefault();
      page.classList.add('dropping');
    }
  });
  page.addEventListener('dragleave', () => page.classList.remove('dropping'));
  page.addEventListener('drop', (e) => {
    page.classList.remove('dropping');
    if (hasFiles(e)) {
      e.preventDefault();
      take(droppedFiles(e.dataTransfer!));
    }
  });
}

/** Files that were dropped, by their paths, with those of folders. */
async function droppedFiles(transfer: DataTransfer): Promise<Map<string, File>> {
  const found = new Map<string, File>();
  const roots = [...transfer.items].map((i) => i.webkitGetAsEntry?.()).filter((e) => e !== null && e !== undefined);
  const walk = async (entry: FileSystemEntry): Promise<void> => {
    const path = entry.fullPath.replace(/^\//, '');
    if (entry.isFile) {
      found.set(path, await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)));
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) { // gives a hundred at a time
      const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (entries.length === 0) {
        return;
      }
      for (const e of entries) {
        await walk(e);
      }
    }
  };
  for (const root of roots) {
    await walk(root);
  }
  return found;
}

/** Whether files are a model's, by their names: weights, or a directory with a manifest. */
export function isModel(names: Iterable<string>): boolean {
  return [...names].some((name) => /\.(safetensors|gguf)$|\/manifest\.json$/i.test(name));
}
