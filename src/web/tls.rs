//! TLS, as the configuration in force has it.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use crate::config::model::Tls;

/// Takes handshakes with the certificate of the configuration; another one from the moment of a reload.
#[derive(Default)]
pub(super) struct Identity {
    of: Option<Tls>,
    acceptor: Option<TlsAcceptor>,
}

/// A certificate that can be read no more: nobody is served rather than in the clear.
#[derive(Debug)]
pub(super) struct Unusable;

impl Identity {
    /// What takes handshakes now; none: no TLS.
    pub(super) fn acceptor(&mut self, tls: Option<&Tls>) -> Result<Option<TlsAcceptor>, Unusable> {
        if self.of.as_ref() != tls {
            let server = tls.map(|tls| tls.server().map_err(|_| Unusable)).transpose()?;
            self.acceptor = server.map(|server| TlsAcceptor::from(Arc::new(server)));
            self.of = tls.cloned();
        }
        Ok(self.acceptor.clone())
    }
}
