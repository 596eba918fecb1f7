"use strict";

// Pictures: which layer a gallery shows, how much of it is swiped away, and one picture large, to zoom and move.
(function viewer() {
  // Errors are see-through where the model is right: they lie over the image, which the style sheet makes pale.
  for (const errors of document.querySelectorAll('.layer[data-layer="errors"]')) {
    const image = errors.parentElement.querySelector('[data-layer="image"] img').cloneNode();
    image.alt = "";
    image.className = "under-image";
    errors.prepend(image);
  }

  for (const gallery of document.querySelectorAll(".gallery")) {
    for (const radio of gallery.querySelectorAll(".choice input")) {
      radio.addEventListener("change", () => { gallery.dataset.shown = radio.value; });
      if (radio.checked) gallery.dataset.shown = radio.value; // browsers keep a choice over a reload
    }
    const range = gallery.querySelector(".swipe input");
    const swipe = () => gallery.style.setProperty("--swipe", range.value);
    range.addEventListener("input", swipe);
    swipe();
  }

  const dialog = document.getElementById("large");
  const stage = dialog.querySelector(".stage");
  const choices = [...dialog.querySelectorAll(".choice input")];
  const MOST = 40; // times the size at which all of it is seen
  let layers = null, home = null, after = null, opener = null;
  let x = 0, y = 0, scale = 1;

  const range = dialog.querySelector(".swipe input");
  const place = () => {
    layers.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    // What is swiped is the stage, not the picture: of a picture twenty times as wide only the middle would be of use.
    const swiped = (range.value / 100) * stage.clientWidth;
    const share = ((swiped - x) / (layers.clientWidth * scale)) * 100;
    layers.style.setProperty("--swipe", range.value === "0" ? 0 : Math.min(100, Math.max(0, share)));
  };
  range.addEventListener("input", () => { if (dialog.open) place(); });
  const fit = () => {
    const [width, height] = [Number(layers.dataset.width), Number(layers.dataset.height)];
    const size = Math.min(stage.clientWidth / width, stage.clientHeight / height);
    layers.style.width = `${width * size}px`;
    layers.style.height = `${height * size}px`;
    scale = 1;
    x = (stage.clientWidth - width * size) / 2;
    y = (stage.clientHeight - height * size) / 2;
    place();
  };
  // The point of the stage (in its own pixels) stays where it is.
  const zoom = (factor, atX = stage.clientWidth / 2, atY = stage.clientHeight / 2) => {
    const next = Math.min(MOST, Math.max(1, scale * factor));
    if (next === 1) return fit();
    x = atX - (atX - x) * (next / scale);
    y = atY - (atY - y) * (next / scale);
    scale = next;
    place();
  };
  const move = (dx, dy) => { x += dx; y += dy; place(); };

  const show = (ground, button) => {
    layers = ground.querySelector(".layers");
    home = layers.parentElement;
    after = layers.nextSibling;
    opener = button;
    document.getElementById("large-title").textContent = ground.dataset.title;
    const there = (key) => layers.querySelector(`[data-layer="${key}"]`) !== null;
    const shown = ground.closest(".gallery").dataset.shown;
    const wanted = there(shown) ? shown : there("errors") ? "errors" : "prediction";
    for (const radio of choices) {
      radio.parentElement.hidden = !there(radio.value);
      radio.checked = radio.value === wanted;
    }
    dialog.dataset.shown = wanted;
    stage.append(layers); // moved, not copied: a page of fifty tiles is large enough
    dialog.showModal();
    fit();
    stage.focus();
  };
  dialog.addEventListener("close", () => {
    layers.removeAttribute("style");
    layers.style.setProperty("--ratio", `${layers.dataset.width}/${layers.dataset.height}`);
    home.insertBefore(layers, after);
    opener.focus();
  });

  for (const ground of document.querySelectorAll(".ground")) {
    const button = ground.querySelector(".enlarge");
    button.addEventListener("click", () => show(ground, button));
    const picture = ground.querySelector(".layers");
    picture.addEventListener("click", () => { if (!dialog.open) show(ground, button); });
  }

  const commands = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit, close: () => dialog.close() };
  for (const button of dialog.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => commands[button.dataset.zoom]());
  addEventListener("resize", () => { if (dialog.open) fit(); });
  const keys = {
    "+": commands.in, "=": commands.in, "-": commands.out, 0: fit,
    ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
  };
  stage.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  // One pointer moves the picture, two pinch it.
  const pointers = new Map();
  const centre = () => {
    const all = [...pointers.values()];
    const box = stage.getBoundingClientRect();
    const mean = (axis) => all.reduce((sum, point) => sum + point[axis], 0) / all.length;
    const spread = all.length < 2 ? 0 : Math.hypot(all[0].x - all[1].x, all[0].y - all[1].y);
    return { x: mean("x") - box.left, y: mean("y") - box.top, spread };
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  stage.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = centre();
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const now = centre();
    move(now.x - before.x, now.y - before.y);
    if (before.spread > 0 && now.spread > 0) zoom(now.spread / before.spread, now.x, now.y);
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => pointers.delete(event.pointerId));
})();
