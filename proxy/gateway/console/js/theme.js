// Runs before the first paint, so that a chosen theme never flashes as the other one. Everything else is a module.
(() => {
  try {
    const theme = localStorage.getItem("wicketgate.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is closed to us: the system's setting holds.
  }
})();
