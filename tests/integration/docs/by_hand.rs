//! The pod of docs/kubernetes.md that one writes by hand is the component's, which a real API server and a real node were given.

use serde_json::Value;

use super::{Mark, Page, read};

/// In the component these come from the ConfigMap `cambist`.
const SETTINGS: [&str; 3] = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "CAMBIST_ISSUER"];

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// What of a value the other one has not, by its path.
fn lacking(wanted: &Value, of: &Value, path: &str) -> Vec<String> {
    match (wanted, of) {
        (Value::Object(wanted), Value::Object(of)) => {
            let each = wanted.iter().map(|(name, value)| {
                let path = format!("{path}.{name}");
                of.get(name).map_or_else(|| vec![path.clone()], |of| lacking(value, of, &path))
            });
            each.flatten().collect()
        }
        (Value::Array(wanted), Value::Array(of)) => {
            let there = |value: &Value| of.iter().any(|of| lacking(value, of, "").is_empty());
            let each = wanted.iter().filter(|value| !there(value));
            each.map(|value| format!("{path}: {value}")).collect()
        }
        _ if wanted == of => Vec::new(),
        _ => vec![format!("{path}: {wanted} instead of {of}")],
    }
}

#[test]
fn it_is_the_component_s() {
    let page = Page::new("docs/kubernetes.md", &read("docs/kubernetes.md").unwrap());
    let here = Mark::Tried(vec!["tests/integration/docs/by_hand.rs".to_owned()]);
    let block = page.blocks().into_iter().find(|block| block.mark.as_ref() == Some(&here)).unwrap();
    let mut pod = yaml(&page.text(&block));
    let env = pod["initContainers"][0]["env"].as_array_mut().unwrap();
    let all = env.len();
    env.retain(|variable| !SETTINGS.contains(&variable["name"].as_str().unwrap()));
    assert_eq!(env.len() + SETTINGS.len(), all, "{env:?}");
    let component = read("sidecar/deploy/components/sidecar/container/workload.yaml").unwrap();
    let component = &yaml(&component)["spec"]["template"]["spec"];
    assert_eq!(lacking(&pod, component, "pod"), Vec::<String>::new());
    // The other way round for what keeps it *restricted*.
    let confined = |pod: &Value| pod["initContainers"][0]["securityContext"].clone();
    assert_eq!(confined(&pod), confined(component));
    // And it is seen when something is another.
    pod["initContainers"][0]["resources"]["limits"]["memory"] = "64Mi".into();
    assert_eq!(lacking(&pod, component, "pod").len(), 1, "{pod:#}");
}
