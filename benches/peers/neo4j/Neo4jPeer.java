import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.neo4j.configuration.GraphDatabaseSettings;
import org.neo4j.configuration.connectors.BoltConnector;
import org.neo4j.configuration.helpers.SocketAddress;
import org.neo4j.dbms.api.DatabaseManagementServiceBuilder;
import org.neo4j.graphdb.GraphDatabaseService;
import org.neo4j.graphdb.Label;
import org.neo4j.graphdb.RelationshipType;
import org.neo4j.io.ByteUnit;

/** Neo4j with Bolt on loopback, filled with the members and trends of the bench: STORE PORT AFFINITIES MEMBERS TRENDS EACH. */
public class Neo4jPeer {
    static final int BATCH = 20_000;

    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[1]), members = Integer.parseInt(arguments[3]);
        int trends = Integer.parseInt(arguments[4]), each = Integer.parseInt(arguments[5]);
        var service = new DatabaseManagementServiceBuilder(Path.of(arguments[0]))
                .setConfig(BoltConnector.enabled, true)
                .setConfig(BoltConnector.listen_address, new SocketAddress("127.0.0.1", port))
                .setConfig(GraphDatabaseSettings.auth_enabled, false)
                .setConfig(GraphDatabaseSettings.pagecache_memory, ByteUnit.gibiBytes(2))
                .build();
        var database = service.database("neo4j");
        var trendIds = create(database, "Trend", trends);
        var memberIds = create(database, "Member", members);
        var affinity = RelationshipType.withName("HAS_AFFINITY_WITH");
        try (var file = FileChannel.open(Path.of(arguments[2]))) {
            var ranks = file.map(FileChannel.MapMode.READ_ONLY, 0, file.size()).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
            for (int first = 0; first < members; first += BATCH) {
                try (var tx = database.beginTx()) {
                    for (int member = first; member < Math.min(first + BATCH, members); member++) {
                        var node = tx.getNodeById(memberIds[member]);
                        for (int place = 0; place < each; place++) {
                            var rank = ranks.get(member * each + place);
                            node.createRelationshipTo(tx.getNodeById(trendIds[rank]), affinity);
                        }
                    }
                    tx.commit();
                }
            }
        }
        try (var tx = database.beginTx()) {
            tx.schema().indexFor(Label.label("Member")).on("id").create();
            tx.commit();
        }
        try (var tx = database.beginTx()) {
            tx.schema().awaitIndexesOnline(10, TimeUnit.MINUTES);
        }
        System.out.println("ready");
        System.in.read(); // until the bench is done with it
        service.shutdown();
    }

    static long[] create(GraphDatabaseService database, String label, int count) {
        var ids = new long[count];
        for (int first = 0; first < count; first += BATCH) {
            try (var tx = database.beginTx()) {
                for (int index = first; index < Math.min(first + BATCH, count); index++) {
                    var node = tx.createNode(Label.label(label));
                    node.setProperty("id", index);
                    ids[index] = node.getId();
                }
                tx.commit();
            }
        }
        return ids;
    }
}
