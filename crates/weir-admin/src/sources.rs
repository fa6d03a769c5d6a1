//! What the listener asks and whom it tells: ports, of which a process may have some or all.

use std::fmt;

use weir_core::ports::SharedStatusSource;
use weir_core::ports::configuration::SharedConfigurationSource;
use weir_core::ports::connections::SharedConnectionSource;
use weir_core::ports::drain::SharedDrainControl;
use weir_core::ports::log::SharedLogControl;
use weir_core::ports::members::SharedMemberControl;
use weir_core::ports::queue::SharedQueueSource;
use weir_core::ports::reload::SharedReloadControl;
use weir_core::ports::site::SharedSiteSource;
use weir_core::ports::upgrade::SharedUpgradeControl;

/// See the module. What is not there is answered with 404.
#[derive(Clone)]
pub struct Sources {
    /// What the process says of itself.
    pub status: SharedStatusSource,
    /// Services and routes.
    pub site: Option<SharedSiteSource>,
    /// Connections of clients.
    pub connections: Option<SharedConnectionSource>,
    /// Queues, in which what waits can be retried and thrown away.
    pub queues: Option<SharedQueueSource>,
    /// Members of upstreams, which can come, go and be taken out.
    pub members: Option<SharedMemberControl>,
    /// The configuration in force.
    pub configuration: Option<SharedConfigurationSource>,
    /// The configuration, which can be read again.
    pub reload: Option<SharedReloadControl>,
    /// What the operational log tells.
    pub log: Option<SharedLogControl>,
    /// The program itself, which can be replaced.
    pub upgrade: Option<SharedUpgradeControl>,
    /// Who lets the process drain.
    pub drain: Option<SharedDrainControl>,
}

impl Sources {
    /// The status alone: nothing can be changed.
    pub fn of_status(status: SharedStatusSource) -> Self {
        Self {
            status,
            site: None,
            connections: None,
            queues: None,
            members: None,
            configuration: None,
            reload: None,
            upgrade: None,
            log: None,
            drain: None,
        }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
