/** What is written to the log: this level and the more serious ones. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'off';

/** Where the log goes, such as console. */
export type Logger = Pick<Console, 'debug' | 'info' | 'warn' | 'error'>;

const levels: LogLevel[] = ['debug', 'info', 'warn', 'error', 'off'];

/** Writes lines of at least a level to a logger. */
export class Log {
  private readonly least: number;
  private readonly to: Logger;

  constructor(level: LogLevel = 'warn', to: Logger = console) {
    this.least = levels.indexOf(level);
    this.to = to;
  }

  /** Whether this is a level. */
  static knows(level: unknown): boolean {
    return levels.includes(level as LogLevel);
  }

  write(level: Exclude<LogLevel, 'off'>, message: string, ...about: unknown[]): void {
    if (levels.indexOf(level) >= this.least) {
      this.to[level](`gossamer: ${message}`, ...about);
    }
  }
}
