//! Whose word about another client is taken: networks of proxies and filters that the operator lists.
//!
//! Where several lists name a peer, each gives what it says and no more. A process that comes through a Unix
//! socket counts as `127.0.0.1` here as everywhere.

use ipnet::IpNet;
use std::net::IpAddr;

/// The lists. Nobody is trusted by default, loopback like any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Who must begin each connection with a header of the PROXY protocol, and may.
    pub proxy_from: Vec<IpNet>,
    /// Who may say XCLIENT.
    pub xclient_from: Vec<IpNet>,
    /// Who may say XFORWARD.
    pub xforward_from: Vec<IpNet>,
}

impl Trust {
    /// Whether a peer that connects is a proxy.
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        covers(&self.proxy_from, peer)
    }

    /// Whether a peer may become another client.
    pub fn may_xclient(&self, peer: IpAddr) -> bool {
        covers(&self.xclient_from, peer)
    }

    /// Whether a peer may name the client behind the next message.
    pub fn may_xforward(&self, peer: IpAddr) -> bool {
        covers(&self.xforward_from, peer)
    }
}

fn covers(networks: &[IpNet], peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    networks.iter().any(|network| network.contains(&peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_trusted_who_is_not_listed() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        let nobody = Trust::default();
        assert!(
            !nobody.is_proxy(loopback) && !nobody.may_xclient(loopback) && !nobody.may_xforward(loopback)
        );
        let trust = Trust { xclient_from: vec!["127.0.0.0/8".parse().unwrap()], ..Trust::default() };
        assert!(trust.may_xclient("::ffff:127.0.0.9".parse().unwrap()));
        assert!(!trust.is_proxy(loopback) && !trust.may_xforward(loopback));
    }
}
