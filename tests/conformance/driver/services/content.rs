//! What Azure's services say to those that they let in.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::{Service, reply};

/// What an app finds that was let in.
pub(super) fn of(service: Service, host: &str, path: &str) -> Response<Full<Bytes>> {
    match service {
        Service::KeyVault => {
            let id = format!("https://{host}{path}/0123456789abcdef0123456789abcdef");
            let attributes = json!({
                "enabled": true, "created": 1_790_000_000, "updated": 1_790_000_000,
                "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90,
            });
            let secret = json!({ "value": "hello", "id": id, "attributes": attributes });
            reply(StatusCode::OK, "application/json; charset=utf-8", secret.to_string())
        }
        Service::Blob if path == "/orders" => {
            let list = format!(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\
                 \"https://{host}/\" ContainerName=\"orders\"><Blobs><Blob><Name>first.json</Name><Properties>\
                 <Last-Modified>Mon, 23 Nov 2026 04:13:45 GMT</Last-Modified><Etag>\"0x8D\"</Etag>\
                 <Content-Length>2</Content-Length><Content-Type>application/json</Content-Type>\
                 <BlobType>BlockBlob</BlobType></Properties></Blob></Blobs><NextMarker /></EnumerationResults>"
            );
            reply(StatusCode::OK, "application/xml", list)
        }
        Service::Blob => {
            let list = format!(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\
                 \"https://{host}/\"><Containers><Container><Name>orders</Name><Properties>\
                 <Last-Modified>Mon, 23 Nov 2026 04:13:45 GMT</Last-Modified><Etag>\"0x8D\"</Etag>\
                 </Properties></Container></Containers><NextMarker /></EnumerationResults>"
            );
            reply(StatusCode::OK, "application/xml", list)
        }
        Service::Arm => {
            let none = json!({ "value": [] });
            reply(StatusCode::OK, "application/json; charset=utf-8", none.to_string())
        }
        Service::Sql | Service::EventHubs | Service::Entra => {
            reply(StatusCode::NOT_FOUND, "text/plain", "nothing is here".to_owned())
        }
    }
}
