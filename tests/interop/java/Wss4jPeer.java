import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.apache.ws.security.WSConstants;
import org.apache.ws.security.WSDataRef;
import org.apache.ws.security.WSEncryptionPart;
import org.apache.ws.security.WSSConfig;
import org.apache.ws.security.WSSecurityEngine;
import org.apache.ws.security.WSSecurityEngineResult;
import org.apache.ws.security.components.crypto.Crypto;
import org.apache.ws.security.components.crypto.CryptoFactory;
import org.apache.ws.security.message.WSSecHeader;
import org.apache.ws.security.message.WSSecSignature;
import org.apache.ws.security.message.WSSecTimestamp;
import org.w3c.dom.Document;

/**
 * A SOAP peer on WSS4J, the engine of soapUI and CXF: signs a message, verifies one, or calls a hub over mutual TLS.
 *
 * <pre>
 * sign    --in FILE --out FILE --keystore P12 [--identifier direct|issuer]
 * verify  --in FILE --truststore P12
 * call    --in FILE --out FILE --keystore P12 --truststore P12 --endpoint URL [--tls-keystore P12] [--action URI]
 *         [--request-out FILE]
 * </pre>
 *
 * Every key store is PKCS#12 under the password given by --password (default "changeit"); the key's alias is --alias
 * (default "signing", and "tls" in --tls-keystore). Exit code 0: done, and what was verified is signed over Body and
 * Timestamp by a certificate of the trust store. "verify" and "call" print the signer's subject.
 */
public final class Wss4jPeer {
    private static final String SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256";
    private static final String RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

    private final Map<String, String> options;

    private Wss4jPeer(Map<String, String> options) {
        this.options = options;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 1; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i].substring(2), arguments[i + 1]);
        }
        WSSConfig.init();
        Wss4jPeer peer = new Wss4jPeer(options);
        switch (arguments[0]) {
            case "sign" -> Files.write(peer.path("out"), peer.sign(Files.readAllBytes(peer.path("in"))));
            case "verify" -> peer.verify(Files.readAllBytes(peer.path("in")));
            case "call" -> peer.call();
            default -> throw new IllegalArgumentException("sign, verify or call; got " + arguments[0]);
        }
    }

    private byte[] sign(byte[] template) throws Exception {
        Document document = parse(template);
        String soap = document.getDocumentElement().getNamespaceURI();
        WSSecHeader header = new WSSecHeader();
        header.insertSecurityHeader(document);
        WSSecTimestamp timestamp = new WSSecTimestamp();
        timestamp.setTimeToLive(300);
        timestamp.build(document, header);
        WSSecSignature signature = new WSSecSignature();
        signature.setUserInfo(option("alias", "signing"), password());
        signature.setKeyIdentifierType(
            option("identifier", "direct").equals("issuer") ? WSConstants.ISSUER_SERIAL : WSConstants.BST_DIRECT_REFERENCE);
        signature.setUseSingleCertificate(true);
        signature.setSignatureAlgorithm(RSA_SHA256);
        signature.setDigestAlgo(SHA256);
        signature.setSigCanonicalization(WSConstants.C14N_EXCL_OMIT_COMMENTS);
        signature.setParts(List.of(
            new WSEncryptionPart("Body", soap, "Content"),
            new WSEncryptionPart("Timestamp", WSConstants.WSU_NS, "")));
        signature.build(document, crypto("keystore", path("keystore")), header);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        TransformerFactory.newInstance().newTransformer().transform(new DOMSource(document), new StreamResult(out));
        return out.toByteArray();
    }

    private void verify(byte[] message) throws Exception {
        Document document = parse(message);
        Crypto trusted = crypto("truststore", path("truststore"));
        List<WSSecurityEngineResult> results =
            new WSSecurityEngine().processSecurityHeader(document, null, null, trusted);
        if (results == null) {
            throw new SecurityException("the message has no Security header");
        }
        Set<String> signed = new HashSet<>();
        String signer = "nobody";
        for (WSSecurityEngineResult result : results) {
            if (result.get(WSSecurityEngineResult.TAG_DATA_REF_URIS) instanceof List<?> references) {
                for (Object reference : references) {
                    signed.add(((WSDataRef) reference).getName().getLocalPart());
                }
                Object certificate = result.get(WSSecurityEngineResult.TAG_X509_CERTIFICATE);
                signer = ((java.security.cert.X509Certificate) certificate).getSubjectX500Principal().getName();
            }
        }
        if (!signed.containsAll(Set.of("Body", "Timestamp"))) {
            throw new SecurityException("Body and Timestamp are not both signed: " + signed);
        }
        System.out.println("signed by " + signer + " over " + new java.util.TreeSet<>(signed));
    }

    private void call() throws Exception {
        byte[] request = sign(Files.readAllBytes(path("in")));
        if (options.containsKey("request-out")) {
            Files.write(path("request-out"), request);
        }
        KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        own.init(keyStore(Path.of(option("tls-keystore", options.get("keystore")))), password().toCharArray());
        TrustManagerFactory others = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        others.init(keyStore(path("truststore")));
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(own.getKeyManagers(), others.getTrustManagers(), null);
        HttpClient client = HttpClient.newBuilder()
            .sslContext(tls).connectTimeout(Duration.ofSeconds(20)).version(HttpClient.Version.HTTP_1_1).build();
        String soap = parse(request).getDocumentElement().getNamespaceURI();
        String action = option("action", "");
        HttpRequest.Builder post = HttpRequest.newBuilder(URI.create(options.get("endpoint")))
            .timeout(Duration.ofSeconds(60)).POST(HttpRequest.BodyPublishers.ofByteArray(request));
        if (soap.equals(WSConstants.URI_SOAP12_ENV)) {
            post.header("Content-Type", "application/soap+xml; charset=utf-8; action=\"" + action + "\"");
        } else {
            post.header("Content-Type", "text/xml; charset=utf-8").header("SOAPAction", "\"" + action + "\"");
        }
        HttpResponse<byte[]> response = client.send(post.build(), HttpResponse.BodyHandlers.ofByteArray());
        Files.write(path("out"), response.body());
        System.out.println("HTTP " + response.statusCode());
        verify(response.body());
    }

    private Crypto crypto(String kind, Path store) throws Exception {
        Properties properties = new Properties();
        String prefix = "org.apache.ws.security.crypto.merlin." + kind;
        properties.put("org.apache.ws.security.crypto.provider", "org.apache.ws.security.components.crypto.Merlin");
        properties.put(prefix + ".file", store.toString());
        properties.put(prefix + ".type", "pkcs12");
        properties.put(prefix + ".password", password());
        properties.put("org.apache.ws.security.crypto.merlin.load.cacerts", "false");
        return CryptoFactory.getInstance(properties);
    }

    private KeyStore keyStore(Path file) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = new FileInputStream(file.toFile())) {
            store.load(in, password().toCharArray());
        }
        return store;
    }

    private static Document parse(byte[] message) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        return factory.newDocumentBuilder().parse(new java.io.ByteArrayInputStream(message));
    }

    private Path path(String name) {
        return Path.of(options.get(name));
    }

    private String option(String name, String otherwise) {
        return options.getOrDefault(name, otherwise);
    }

    private String password() {
        return option("password", "changeit");
    }
}
