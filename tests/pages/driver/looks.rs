//! Looks at cambist's own pages: each as people see it, wide, narrow and dark, held to what everybody must be able
//! to read and reach.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::browser::{Names, Setup};
use crate::devtools::DevTools;

mod scenes;

use scenes::{Scene, Scenes};

const LOOK: &str = include_str!("../look.js");

/// Every fault that is looked for, to see that it is found.
const FAULTY: &str = include_str!("../faulty.html");

/// As wide as the narrowest phone that is in use.
const NARROW: u32 = 360;

/// The ways that each page is looked at.
const VIEWS: [View; 3] = [
    View { name: "wide", width: 1100, dark: false },
    View { name: "narrow", width: NARROW, dark: false },
    View { name: "dark", width: 1100, dark: true },
];

#[derive(Clone, Copy, Debug)]
struct View {
    name: &'static str,
    width: u32,
    dark: bool,
}

/// What the page tells of itself.
#[derive(Debug, Deserialize)]
struct Seen {
    title: String,
    word: String,
    texts: usize,
    pale: Vec<String>,
    scrolls: bool,
    wide: Vec<String>,
    interactive: usize,
    height: u32,
    scripts: usize,
    unnamed: usize,
    headless: usize,
    language: String,
}

/// Where the programs are that pages are of.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) sidecar: String,
    pub(crate) command: PathBuf,
}

/// Looks at all pages; what is wrong with them. Pictures of them are left in `shots`.
pub(crate) async fn faults(
    programs: &Programs,
    chromium: &Path,
    path: &str,
    work: &Path,
    shots: &Path,
) -> Vec<String> {
    std::fs::create_dir_all(shots).expect("a folder can be made");
    let home = tempfile::TempDir::new_in(work).expect("a folder can be made");
    let scenes = Scenes::set(programs, home.path()).await;
    let names = scenes.all().iter().fold(Names::default(), |names, scene| match scene.at {
        Some(at) => names.map(&format!("*:{}", at.port()), at),
        None => names,
    });
    let (exe, home) = (chromium.to_owned(), home.path().to_owned());
    let setup = Setup { exe, path: path.to_owned(), home: home.clone(), names };
    let mut eye = Eye { tools: DevTools::start(&setup).await, shots: shots.to_owned() };
    let mut faults = eye.finds_faults(&home).await;
    for scene in scenes.all() {
        for view in VIEWS {
            let found = eye.look(scene, view).await;
            faults
                .extend(found.into_iter().map(|it| format!("{} {}: {it}", scene.name, view.name)));
        }
        println!("looked at {}: {}", scene.name, scene.word);
    }
    eye.tools.close().await;
    scenes.close().await;
    faults
}

struct Eye {
    tools: DevTools,
    shots: PathBuf,
}

impl Eye {
    /// Looks at a page of which all that is looked for is wrong: what of that is not found.
    async fn finds_faults(&mut self, home: &Path) -> Vec<String> {
        let file = home.join("faulty.html");
        std::fs::write(&file, FAULTY).expect("a file can be written");
        let narrow = View { name: "narrow", width: NARROW, dark: false };
        self.open(&format!("file://{}", file.display()), narrow).await;
        let seen = self.seen().await;
        let said = self.complaints();
        let mut found = seen.faults();
        found.extend(said);
        found.extend(self.keyboard(&seen).await);
        let expected = [
            "hardly read",
            "scrolls",
            "lang",
            "scope",
            "no name",
            "Content Security Policy",
            "focus",
        ];
        let missed = expected.iter().filter(|word| !found.iter().any(|it| it.contains(**word)));
        missed
            .map(|word| format!("a fault is not found where there is one: {word}: {found:?}"))
            .collect()
    }

    async fn look(&mut self, scene: &Scene, view: View) -> Vec<String> {
        self.open(&scene.url, view).await;
        let seen = self.seen().await;
        let mut faults = seen.faults();
        faults.extend(self.complaints());
        if seen.word != scene.word {
            faults.push(format!("{} says {:?}, not {:?}", seen.title, seen.word, scene.word));
        }
        faults.extend(self.picture(scene, view, seen.height).await.err());
        if view.name == "wide" {
            faults.extend(self.keyboard(&seen).await);
            faults.extend(self.print(scene).await.err());
        }
        faults
    }

    /// Goes to a page as if its address were typed.
    async fn open(&mut self, url: &str, view: View) {
        let size =
            json!({ "width": view.width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.tools.ask("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if view.dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.tools.ask("Emulation.setEmulatedMedia", media).await;
        drop(self.tools.take_events());
        let went = self.tools.ask("Page.navigate", json!({ "url": url })).await;
        assert!(went["errorText"].is_null(), "{url}: {went}");
        self.tools.event("Page.loadEventFired").await;
    }

    async fn seen(&mut self) -> Seen {
        let seen = self.tools.evaluate(LOOK).await;
        let text = seen.as_str().expect("the look is a text");
        serde_json::from_str(text).expect("the look is as it is read")
    }

    /// What the browser wrote into its console, and what it asked.
    fn complaints(&mut self) -> Vec<String> {
        let events = self.tools.take_events();
        let wrong = events.into_iter().filter(|event| match event["method"].as_str() {
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Runtime.exceptionThrown" | "Page.javascriptDialogOpening") => true,
            _ => false,
        });
        wrong.map(|event| format!("the browser complains: {}", event["params"])).collect()
    }

    /// Goes through the page by the tabulator: everything is reached, and one sees where one is.
    async fn keyboard(&mut self, seen: &Seen) -> Vec<String> {
        let mut faults = Vec::new();
        let mut reached = 0;
        for _ in 0..seen.interactive {
            for kind in ["rawKeyDown", "keyUp"] {
                let key = json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
                self.tools.ask("Input.dispatchKeyEvent", key).await;
            }
            let at = self.tools.evaluate(AT).await;
            if at["on"] == true {
                reached += 1;
                if at["outline"].as_f64().unwrap_or(0.0) < 1.0 {
                    faults.push(format!("one does not see the focus on {}", at["text"]));
                }
            }
        }
        if reached != seen.interactive {
            faults.push(format!("{reached} of {} are reached by the keyboard", seen.interactive));
        }
        faults
    }

    /// Takes a picture of the whole page, which must show something.
    async fn picture(&mut self, scene: &Scene, view: View, height: u32) -> Result<(), String> {
        let clip = json!({ "x": 0, "y": 0, "width": view.width, "height": height, "scale": 1 });
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.tools.ask("Page.captureScreenshot", params).await;
        let data = shot["data"].as_str().unwrap_or_default().to_owned();
        let png = STANDARD.decode(&data).map_err(|error| error.to_string())?;
        let file = self.shots.join(format!("{}-{}.png", scene.name, view.name));
        std::fs::write(file, png).map_err(|error| error.to_string())?;
        // Counted where pictures are read anyway; the page's own policy would not have it.
        self.tools.ask("Page.navigate", json!({ "url": "about:blank" })).await;
        let colours = self.tools.evaluate(&COLOURS.replace("DATA", &data)).await;
        let (many, most) = (&colours["many"], &colours["most"]);
        let sound = many.as_u64() > Some(30) && most.as_f64() < Some(0.99);
        if view.name == "wide" {
            self.open(&scene.url, view).await;
            drop(self.tools.take_events());
        }
        if sound { Ok(()) } else { Err(format!("the picture is blank: {colours}")) }
    }

    /// Prints the page.
    async fn print(&mut self, scene: &Scene) -> Result<(), String> {
        let printed = self.tools.ask("Page.printToPDF", json!({ "printBackground": false })).await;
        let pdf = STANDARD.decode(printed["data"].as_str().unwrap_or_default());
        let pdf = pdf.map_err(|error| error.to_string())?;
        std::fs::write(self.shots.join(format!("{}.pdf", scene.name)), &pdf)
            .map_err(|error| error.to_string())?;
        let pages = String::from_utf8_lossy(&pdf).matches("/Type /Page\n").count();
        let sound = pdf.starts_with(b"%PDF") && (1..40).contains(&pages);
        if sound { Ok(()) } else { Err(format!("it prints {} bytes, {pages} pages", pdf.len())) }
    }
}

impl Seen {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut push = |wrong: bool, fault: String| {
            if wrong {
                faults.push(fault);
            }
        };
        push(self.texts < 5, format!("it has {} texts", self.texts));
        push(!self.pale.is_empty(), format!("one can hardly read {:?}", self.pale));
        push(self.scrolls, format!("it scrolls sideways: {:?}", self.wide));
        push(self.scripts > 0 && !self.title.contains("every fault"), "it has scripts".to_owned());
        push(self.unnamed > 0, format!("{} drawings have no name", self.unnamed));
        push(self.headless > 0, format!("{} heads of tables have no scope", self.headless));
        push(self.language != "en", format!("its lang is {:?}", self.language));
        faults
    }
}

const AT: &str = r#"(() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const seen = style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
  return { on: at !== document.body, outline: seen, text: at.textContent.slice(0, 40) };
})()"#;

/// How many colours a picture has, and how much of it the most frequent one takes.
const COLOURS: &str = r#"(async () => {
  const bytes = Uint8Array.from(atob("DATA"), (c) => c.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  return { many: counts.size, most: Math.max(...counts.values()) / pixels.length };
})()"#;
