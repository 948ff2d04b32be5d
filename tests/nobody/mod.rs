//! For tests of a manager that nothing is asked of.

/// A host that is asked for nothing.
pub(crate) struct Nobody;

impl bellwire::manager::Host for Nobody {
    fn load(
        &mut self,
        _: &mut bellwire::engine::Engine,
    ) -> Result<bellwire::config::Config, Vec<bellwire::config::Fault>> {
        unreachable!("nothing is reloaded")
    }

    fn bind(
        &mut self,
        _: &mut bellwire::engine::Engine,
        _: &bellwire::config::Address,
    ) -> std::io::Result<bellwire::engine::Bound> {
        unreachable!("nothing is bound")
    }

    fn server_tls(
        &mut self,
        _: &mut bellwire::engine::Engine,
        _: &bellwire::config::Tls,
    ) -> Result<bellwire::manager::ServerTls, bellwire::manager::TlsFaults> {
        unreachable!("no server speaks TLS")
    }

    fn client_tls(
        &mut self,
        _: &mut bellwire::engine::Engine,
        _: &bellwire::config::Client,
    ) -> Result<Option<std::sync::Arc<rustls::ClientConfig>>, bellwire::manager::TlsFaults> {
        unreachable!("no client speaks TLS")
    }

    fn reloading(&mut self) {}

    fn reloaded(&mut self, _: Option<&bellwire::config::Daemon>) {}
}
