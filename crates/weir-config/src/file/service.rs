//! Services: hosts and their routes.

use weir_core::route::HostPattern;

use crate::source::At;

use super::describe::Presence::{Optional, Required};
use super::kind::{List, OneOrList, Placed};
use super::route::{ROUTE, RouteFile};
use super::rule::HOST;
use super::scalar::Text;
use super::table::{Field, Kept, Mapping, Part, Table};

/// A service as it was written.
#[derive(Debug, Default)]
pub(crate) struct ServiceFile {
    /// `host`
    pub(crate) hosts: Vec<At<HostPattern>>,
    /// `name`
    pub(crate) name: Option<At<String>>,
    /// `routes`, when written
    pub(crate) routes: Option<Vec<At<RouteFile>>>,
    /// The keys of a route that stand at the service itself.
    pub(crate) own: RouteFile,
}

/// A service
pub(crate) static SERVICE: Table<ServiceFile> = Table {
    name: "service",
    doc: "The routes of some hosts. A service without `routes` is one route and takes the keys of a route itself.",
    fields: &[
        Field {
            name: "host",
            presence: Required,
            value: &Kept(OneOrList(Placed(HOST), "hosts"), |service: &mut ServiceFile, hosts| {
                service.hosts = hosts;
            }),
            doc: "One host or a list: `api.example.com`, `*.example.com` (one or more labels before it; the longest wins) or \
                  `\"*\"` for every host that nothing else takes. Ports are not compared.",
        },
        Field {
            name: "name",
            presence: Optional,
            value: &Kept(Placed(Text), |service: &mut ServiceFile, name| service.name = Some(name)),
            doc: "Its name in logs and metrics; its first host when not written.",
        },
        Field {
            name: "routes",
            presence: Optional,
            value: &Kept(
                List {
                    of: Placed(Mapping(&ROUTE)),
                    label: "a list of routes",
                    hint: Some("begin each route with `- `"),
                    max: None,
                },
                |service: &mut ServiceFile, routes| service.routes = Some(routes),
            ),
            doc: "Its routes. The most specific one that fits is taken, wherever it stands.",
        },
    ],
    within: Some(&Part {
        table: &ROUTE,
        of: |service: &mut ServiceFile| &mut service.own,
        except: &["host", "name"],
    }),
    later: &["tls"],
    note: None,
};
