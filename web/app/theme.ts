// Runs before the page is drawn, so that it does not flash in the other colours.

try {
  const { theme } = JSON.parse(localStorage.getItem('gossamer-settings') ?? '{}') as { theme?: string };
  if (theme === 'light' || theme === 'dark') {
    document.documentElement.dataset['theme'] = theme;
  }
} catch {
  // then the system's colours
}
