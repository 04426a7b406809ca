<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de">
<context>
    <name>AdaptFlow</name>
    <message>
        <source>Estimating …</source>
        <translation>Wird geschätzt …</translation>
    </message>
    <message>
        <source>Estimating the adaptation</source>
        <translation>Die Anpassung wird geschätzt</translation>
    </message>
    <message>
        <source>Adapting {}</source>
        <translation>{} wird angepasst</translation>
    </message>
    <message>
        <source>The backbone {} is ready.</source>
        <translation>Der Backbone {} ist fertig.</translation>
    </message>
    <message>
        <source>Adapting, taken up again</source>
        <translation>Anpassen, wieder aufgenommen</translation>
    </message>
    <message>
        <source>{} was interrupted.</source>
        <translation>{} wurde unterbrochen.</translation>
    </message>
    <message>
        <source>An adaptation</source>
        <translation>Eine Anpassung</translation>
    </message>
    <message>
        <source>Cancelled; nothing was kept.</source>
        <translation>Abgebrochen; nichts wurde behalten.</translation>
    </message>
    <message>
        <source>The adaptation was interrupted.</source>
        <translation>Die Anpassung wurde unterbrochen.</translation>
    </message>
    <message>
        <source>The backend was stopped during the adaptation.</source>
        <translation>Das Backend wurde während der Anpassung beendet.</translation>
    </message>
    <message>
        <source>The backend ended during the adaptation and was started again.</source>
        <translation>Das Backend endete während der Anpassung und wurde neu gestartet.</translation>
    </message>
</context>
<context>
    <name>AdaptPanel</name>
    <message>
        <source>End now; what has been learnt so far is written</source>
        <translation>Jetzt aufhören; was bis jetzt gelernt wurde, wird geschrieben</translation>
    </message>
    <message>
        <source>Train with it</source>
        <translation>Damit trainieren</translation>
    </message>
    <message>
        <source>Adapt another …</source>
        <translation>Weiteren anpassen …</translation>
    </message>
    <message>
        <source>{:.3g} million pixels</source>
        <translation>{:.3g} Millionen Pixel</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>Startet</translation>
    </message>
    <message>
        <source>The backbone {} is ready.</source>
        <translation>Der Backbone {} ist fertig.</translation>
    </message>
    <message>
        <source>Its loss went from {:.3f} to {:.3f}.</source>
        <translation>Sein Verlust ging von {:.3f} auf {:.3f}.</translation>
    </message>
    <message>
        <source>{} on {}.</source>
        <translation>{} auf {}.</translation>
    </message>
    <message>
        <source>Open the report</source>
        <translation>Bericht öffnen</translation>
    </message>
    <message>
        <source>Go on with it</source>
        <translation>Damit weitermachen</translation>
    </message>
    <message>
        <source>Open the rasters in QGIS first.</source>
        <translation>Öffnen Sie die Raster zuerst in QGIS.</translation>
    </message>
    <message>
        <source>Adapt to these rasters</source>
        <translation>An diese Raster anpassen</translation>
    </message>
    <message>
        <source>Lets the network look at your rasters before any training, without polygons, so that it gets used to the sensor and the fields. The more area the better. What it has learnt goes into a file that trainings can start from.</source>
        <translation>Lässt das Netz vor jedem Training Ihre Raster ansehen, ohne Polygone, damit es sich an Sensor und Felder gewöhnt. Je mehr Fläche, desto besser. Was es gelernt hat, kommt in eine Datei, von der Trainings ausgehen können.</translation>
    </message>
    <message>
        <source>Rasters to look at</source>
        <translation>Raster zum Ansehen</translation>
    </message>
    <message>
        <source>Drawing hidden parts (MAE)</source>
        <translation>Verdecktes zeichnen (MAE)</translation>
    </message>
    <message>
        <source>Comparing views (DINO)</source>
        <translation>Ansichten vergleichen (DINO)</translation>
    </message>
    <message>
        <source>Drawing hidden parts suits most; comparing views takes several times as long</source>
        <translation>Verdecktes zeichnen passt meistens; Ansichten vergleichen dauert ein Mehrfaches</translation>
    </message>
    <message>
        <source> min</source>
        <translation> min</translation>
    </message>
    <message>
        <source>Name of the backbone file that is written</source>
        <translation>Name der Backbone-Datei, die geschrieben wird</translation>
    </message>
    <message>
        <source>Backbone</source>
        <translation>Backbone</translation>
    </message>
    <message>
        <source>Learns by</source>
        <translation>Lernt durch</translation>
    </message>
    <message>
        <source>At most</source>
        <translation>Höchstens</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>Name</translation>
    </message>
</context>
<context>
    <name>Adapters</name>
    <message>
        <source>Small additions to the attention of every block: a good first choice.</source>
        <translation>Kleine Zusätze zur Aufmerksamkeit jedes Blocks: eine gute erste Wahl.</translation>
    </message>
    <message>
        <source>Only the head</source>
        <translation>Nur der Kopf</translation>
    </message>
    <message>
        <source>The backbone stays as it is, only the head is trained: fast, for a first look.</source>
        <translation>Der Backbone bleibt, wie er ist, nur der Kopf wird trainiert: schnell, für einen ersten Blick.</translation>
    </message>
    <message>
        <source>Everything</source>
        <translation>Alles</translation>
    </message>
    <message>
        <source>The whole backbone is trained: for many polygons, and it makes large model files.</source>
        <translation>Der ganze Backbone wird trainiert: für viele Polygone; die Modelldateien werden groß.</translation>
    </message>
    <message>
        <source>Only the normalisations of the backbone: very few numbers.</source>
        <translation>Nur die Normierungen des Backbones: sehr wenige Zahlen.</translation>
    </message>
    <message>
        <source>Only the constant terms (biases) of the backbone: very few numbers.</source>
        <translation>Nur die konstanten Glieder (Bias) des Backbones: sehr wenige Zahlen.</translation>
    </message>
    <message>
        <source>Adapter, in series</source>
        <translation>Adapter, in Reihe</translation>
    </message>
    <message>
        <source>A small network behind each half of every block.</source>
        <translation>Ein kleines Netz hinter jeder Hälfte jedes Blocks.</translation>
    </message>
    <message>
        <source>A small network beside the second half of every block.</source>
        <translation>Ein kleines Netz neben der zweiten Hälfte jedes Blocks.</translation>
    </message>
    <message>
        <source>Small convolutions beside every block, which see what lies next to each other.</source>
        <translation>Kleine Faltungen neben jedem Block, die sehen, was nebeneinander liegt.</translation>
    </message>
    <message>
        <source>Small networks behind each half of every block, made of products of still smaller ones.</source>
        <translation>Kleine Netze hinter jeder Hälfte jedes Blocks, aus Produkten noch kleinerer.</translation>
    </message>
    <message>
        <source>A few learnt tokens that enter before the first block; not for Swin.</source>
        <translation>Einige gelernte Tokens, die vor dem ersten Block hinzukommen; nicht für Swin.</translation>
    </message>
    <message>
        <source>A few learnt tokens for every block.</source>
        <translation>Einige gelernte Tokens für jeden Block.</translation>
    </message>
    <message>
        <source>Learnt tokens whose changes a learnt gate lets in, block by block; not for Swin.</source>
        <translation>Gelernte Tokens, deren Änderungen ein gelerntes Tor Block für Block einlässt; nicht für Swin.</translation>
    </message>
    <message>
        <source>Learnt tokens, keys and values for every block.</source>
        <translation>Gelernte Tokens, Schlüssel und Werte für jeden Block.</translation>
    </message>
    <message>
        <source>Small networks of several widths, added together, beside the second half of every block.</source>
        <translation>Kleine Netze mehrerer Breiten, zusammengezählt, neben der zweiten Hälfte jedes Blocks.</translation>
    </message>
</context>
<context>
    <name>Aoi</name>
    <message>
        <source>The visible map cannot be expressed in the layer's coordinate system.</source>
        <translation>Der sichtbare Kartenausschnitt lässt sich nicht im Koordinatensystem des Layers ausdrücken.</translation>
    </message>
    <message>
        <source>Zoom to the layer, or segment the whole of it.</source>
        <translation>Zoomen Sie auf den Layer, oder segmentieren Sie ihn ganz.</translation>
    </message>
    <message>
        <source>The area to segment could not be written to {}: {}</source>
        <translation>Das zu segmentierende Gebiet konnte nicht nach {} geschrieben werden: {}</translation>
    </message>
</context>
<context>
    <name>AreaTable</name>
    <message>
        <source>Class</source>
        <translation>Klasse</translation>
    </message>
    <message>
        <source>Area</source>
        <translation>Fläche</translation>
    </message>
    <message>
        <source>Share</source>
        <translation>Anteil</translation>
    </message>
    <message>
        <source>Copy the table for a spreadsheet</source>
        <translation>Die Tabelle für eine Tabellenkalkulation kopieren</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>Kopieren</translation>
    </message>
    <message>
        <source>Save the table as a CSV file</source>
        <translation>Die Tabelle als CSV-Datei speichern</translation>
    </message>
    <message>
        <source>Save CSV …</source>
        <translation>CSV speichern …</translation>
    </message>
</context>
<context>
    <name>BackboneCombo</name>
    <message>
        <source>Default</source>
        <translation>Standard</translation>
    </message>
    <message>
        <source>A name from the list, or a file or folder of weights</source>
        <translation>Ein Name aus der Liste, oder eine Datei oder ein Ordner mit Gewichten</translation>
    </message>
    <message>
        <source> (on this computer)</source>
        <translation> (auf diesem Rechner)</translation>
    </message>
</context>
<context>
    <name>BackendFlow</name>
    <message>
        <source>The backend is not set up</source>
        <translation>Das Backend ist nicht eingerichtet</translation>
    </message>
    <message>
        <source>The backend is starting …</source>
        <translation>Das Backend startet …</translation>
    </message>
    <message>
        <source>Ready on {}</source>
        <translation>Bereit auf {}</translation>
    </message>
    <message>
        <source>Loading networks …</source>
        <translation>Netze werden geladen …</translation>
    </message>
    <message>
        <source>Starting NIR-LoRA</source>
        <translation>NIR-LoRA wird gestartet</translation>
    </message>
    <message>
        <source>Not running; the next action starts it</source>
        <translation>Läuft nicht; die nächste Aktion startet es</translation>
    </message>
</context>
<context>
    <name>CarryFlow</name>
    <message>
        <source>Estimating …</source>
        <translation>Wird geschätzt …</translation>
    </message>
</context>
<context>
    <name>CarryPanel</name>
    <message>
        <source>Open the raster of the other field in QGIS.</source>
        <translation>Öffnen Sie das Raster des anderen Feldes in QGIS.</translation>
    </message>
    <message>
        <source>Carry the model over</source>
        <translation>Modell übertragen</translation>
    </message>
    <message>
        <source>For a field without polygons. The model learns from the polygons of step 2 and is then fitted to the other field. Settings and time are those of step 3.</source>
        <translation>Für ein Feld ohne Polygone. Das Modell lernt von den Polygonen aus Schritt 2 und wird dann dem anderen Feld angepasst. Einstellungen und Dauer sind die von Schritt 3.</translation>
    </message>
    <message>
        <source>Fields without polygons</source>
        <translation>Felder ohne Polygone</translation>
    </message>
    <message>
        <source>rounds: {}</source>
        <translation>Runden: {}</translation>
    </message>
    <message>
        <source>as its file says; else e.g. nir=4</source>
        <translation>wie in der Datei; sonst z. B. nir=4</translation>
    </message>
    <message>
        <source>Bands there</source>
        <translation>Bänder dort</translation>
    </message>
    <message>
        <source>Slow teacher (EMA)</source>
        <translation>Langsamer Lehrer (EMA)</translation>
    </message>
    <message>
        <source>LoRA and slow teacher</source>
        <translation>LoRA und langsamer Lehrer</translation>
    </message>
    <message>
        <source>Nothing</source>
        <translation>Nichts</translation>
    </message>
    <message>
        <source>What keeps the model from believing its own mistakes; LoRA takes the least time</source>
        <translation>Was das Modell davor bewahrt, seinen eigenen Fehlern zu glauben; LoRA braucht am wenigsten Zeit</translation>
    </message>
    <message>
        <source>Kept steady by</source>
        <translation>Stabil durch</translation>
    </message>
    <message>
        <source>Rounds</source>
        <translation>Runden</translation>
    </message>
</context>
<context>
    <name>ClassTable</name>
    <message>
        <source>New class, e.g. weed</source>
        <translation>Neue Klasse, z. B. Unkraut</translation>
    </message>
    <message>
        <source>Add the class</source>
        <translation>Die Klasse hinzufügen</translation>
    </message>
    <message>
        <source>Add</source>
        <translation>Hinzufügen</translation>
    </message>
    <message>
        <source>Remove the chosen class and its polygons</source>
        <translation>Die gewählte Klasse und ihre Polygone entfernen</translation>
    </message>
    <message>
        <source>Class</source>
        <translation>Klasse</translation>
    </message>
    <message>
        <source>Polygons</source>
        <translation>Polygone</translation>
    </message>
    <message>
        <source>Area</source>
        <translation>Fläche</translation>
    </message>
    <message>
        <source>The chosen class is what you draw. Double-click to rename or recolour.</source>
        <translation>Gezeichnet wird die gewählte Klasse. Doppelklick ändert Namen oder Farbe.</translation>
    </message>
    <message>
        <source>Colour of {}</source>
        <translation>Farbe von {}</translation>
    </message>
</context>
<context>
    <name>Client</name>
    <message>
        <source>The backend did not answer within {:.0f} s.</source>
        <translation>Das Backend hat nicht innerhalb von {:.0f} s geantwortet.</translation>
    </message>
    <message>
        <source>It may be very busy; try again.</source>
        <translation>Vielleicht ist es stark ausgelastet; versuchen Sie es noch einmal.</translation>
    </message>
    <message>
        <source>It is started again with the next action.</source>
        <translation>Mit der nächsten Aktion wird es wieder gestartet.</translation>
    </message>
    <message>
        <source>The backend is not running any more.</source>
        <translation>Das Backend läuft nicht mehr.</translation>
    </message>
    <message>
        <source>The backend answered: {}</source>
        <translation>Das Backend hat geantwortet: {}</translation>
    </message>
    <message>
        <source>Look at its log.</source>
        <translation>Sehen Sie in sein Protokoll.</translation>
    </message>
    <message>
        <source>The backend's answer is not what this plugin expects ({}).</source>
        <translation>Die Antwort des Backends ist nicht die, die dieses Plugin erwartet ({}).</translation>
    </message>
    <message>
        <source>Plugin and backend have different versions: update the backend in the set-up panel.</source>
        <translation>Plugin und Backend haben verschiedene Versionen: Aktualisieren Sie das Backend unter „Einrichtung“.</translation>
    </message>
</context>
<context>
    <name>CopyDialog</name>
    <message>
        <source>Copy {}</source>
        <translation>{} kopieren</translation>
    </message>
    <message>
        <source>What the map shows now</source>
        <translation>Was die Karte jetzt zeigt</translation>
    </message>
    <message>
        <source>The whole layer</source>
        <translation>Der ganze Layer</translation>
    </message>
    <message>
        <source>Part</source>
        <translation>Ausschnitt</translation>
    </message>
    <message>
        <source>Pixel size ({})</source>
        <translation>Pixelgröße ({})</translation>
    </message>
    <message>
        <source>File</source>
        <translation>Datei</translation>
    </message>
    <message>
        <source>{:,} × {:,} pixels</source>
        <translation>{:,} × {:,} Pixel</translation>
    </message>
    <message>
        <source>The map shows nothing of this layer.</source>
        <translation>Die Karte zeigt nichts von diesem Layer.</translation>
    </message>
    <message>
        <source>{}: choose larger pixels or a smaller part</source>
        <translation>{}: Wählen Sie größere Pixel oder einen kleineren Ausschnitt</translation>
    </message>
    <message>
        <source>degrees</source>
        <translation>Grad</translation>
    </message>
    <message>
        <source>map units</source>
        <translation>Karteneinheiten</translation>
    </message>
</context>
<context>
    <name>DockFlow</name>
    <message>
        <source>Let the network get used to your rasters first</source>
        <translation>Das Netz erst an Ihre Raster gewöhnen</translation>
    </message>
    <message>
        <source>Running</source>
        <translation>Läuft</translation>
    </message>
    <message>
        <source>{} polygons in {} classes</source>
        <translation>{} Polygone in {} Klassen</translation>
    </message>
    <message>
        <source>{}, IoU {:.2f}</source>
        <translation>{}, IoU {:.2f}</translation>
    </message>
    <message>
        <source>A raster with near infrared</source>
        <translation>Ein Raster mit nahem Infrarot</translation>
    </message>
    <message>
        <source>What the map should tell apart</source>
        <translation>Was die Karte unterscheiden soll</translation>
    </message>
</context>
<context>
    <name>Estimate</name>
    <message>
        <source>Takes {}</source>
        <translation>Dauert {}</translation>
    </message>
    <message>
        <source>on {}</source>
        <translation>auf {}</translation>
    </message>
    <message>
        <source>{} of memory</source>
        <translation>{} Speicher</translation>
    </message>
</context>
<context>
    <name>ExportLayer</name>
    <message>
        <source>The layer has no pixel size of its own.</source>
        <translation>Der Layer hat keine eigene Pixelgröße.</translation>
    </message>
    <message>
        <source>Choose the pixel size of the copy.</source>
        <translation>Wählen Sie die Pixelgröße der Kopie.</translation>
    </message>
    <message>
        <source>The part wanted lies outside the layer.</source>
        <translation>Der gewünschte Ausschnitt liegt außerhalb des Layers.</translation>
    </message>
    <message>
        <source>Choose another part.</source>
        <translation>Wählen Sie einen anderen Ausschnitt.</translation>
    </message>
    <message>
        <source>{} is the layer's own file.</source>
        <translation>{} ist die Datei des Layers selbst.</translation>
    </message>
    <message>
        <source>Choose another name for the copy.</source>
        <translation>Wählen Sie einen anderen Namen für die Kopie.</translation>
    </message>
    <message>
        <source>The layer gave no picture of this part: every pixel is transparent.</source>
        <translation>Der Layer hat von diesem Ausschnitt kein Bild geliefert: Jedes Pixel ist durchsichtig.</translation>
    </message>
    <message>
        <source>Check that the map shows it, and that its server can be reached.</source>
        <translation>Prüfen Sie, ob die Karte ihn zeigt und ob sein Server erreichbar ist.</translation>
    </message>
    <message>
        <source>The layer could not be read. {}</source>
        <translation>Der Layer konnte nicht gelesen werden. {}</translation>
    </message>
    <message>
        <source>Is its server reachable, or its source still there?</source>
        <translation>Ist sein Server erreichbar, seine Quelle noch da?</translation>
    </message>
    <message>
        <source>{} could not be written: {}</source>
        <translation>{} konnte nicht geschrieben werden: {}</translation>
    </message>
    <message>
        <source>Is the disk full, the folder write-protected, or the file open elsewhere?</source>
        <translation>Ist der Datenträger voll, der Ordner schreibgeschützt oder die Datei anderswo geöffnet?</translation>
    </message>
</context>
<context>
    <name>JobView</name>
    <message>
        <source>Stop and keep</source>
        <translation>Beenden und behalten</translation>
    </message>
    <message>
        <source>End now; the best model so far is written</source>
        <translation>Jetzt beenden; das bisher beste Modell wird geschrieben</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>End now and leave nothing behind</source>
        <translation>Jetzt beenden und nichts zurücklassen</translation>
    </message>
    <message>
        <source>Waiting for the backend</source>
        <translation>Warten auf das Backend</translation>
    </message>
    <message>
        <source>Stopping …</source>
        <translation>Wird beendet …</translation>
    </message>
    <message>
        <source>Waiting for the job before it</source>
        <translation>Warten auf den Auftrag davor</translation>
    </message>
    <message>
        <source>Preparing</source>
        <translation>Vorbereiten</translation>
    </message>
    <message>
        <source>Training</source>
        <translation>Trainieren</translation>
    </message>
    <message>
        <source>Writing the report</source>
        <translation>Bericht schreiben</translation>
    </message>
    <message>
        <source>Segmenting</source>
        <translation>Segmentieren</translation>
    </message>
    <message>
        <source>Finishing</source>
        <translation>Abschließen</translation>
    </message>
    <message>
        <source>Adapting</source>
        <translation>Passt an</translation>
    </message>
    <message>
        <source>Learning from the polygons</source>
        <translation>Lernt von den Polygonen</translation>
    </message>
    <message>
        <source>Mapping the other field</source>
        <translation>Kartiert das andere Feld</translation>
    </message>
    <message>
        <source>Learning from its own map, round {}</source>
        <translation>Lernt von der eigenen Karte, Runde {}</translation>
    </message>
    <message>
        <source>Mapping the other field for round {}</source>
        <translation>Kartiert das andere Feld für Runde {}</translation>
    </message>
    <message>
        <source>epoch {}</source>
        <translation>Epoche {}</translation>
    </message>
    <message>
        <source>loss {:.3f}</source>
        <translation>Verlust {:.3f}</translation>
    </message>
    <message>
        <source>best IoU {:.2f}</source>
        <translation>bester IoU {:.2f}</translation>
    </message>
    <message>
        <source>{} left</source>
        <translation>noch {}</translation>
    </message>
</context>
<context>
    <name>KnownFlow</name>
    <message>
        <source>Looking for backbones</source>
        <translation>Backbones werden gesucht</translation>
    </message>
</context>
<context>
    <name>LayerFlow</name>
    <message>
        <source>Open a near-infrared or multispectral raster.</source>
        <translation>Öffnen Sie ein Nahinfrarot- oder Multispektralraster.</translation>
    </message>
    <message>
        <source>Make a copy of the layer first.</source>
        <translation>Machen Sie zuerst eine Kopie des Layers.</translation>
    </message>
    <message>
        <source>{} A copy of the part you need can be used.</source>
        <translation>{} Eine Kopie des benötigten Ausschnitts ist verwendbar.</translation>
    </message>
    <message>
        <source>Make a copy …</source>
        <translation>Kopie machen …</translation>
    </message>
    <message>
        <source>Its bands are shown once the backend is set up.</source>
        <translation>Seine Kanäle werden gezeigt, sobald das Backend eingerichtet ist.</translation>
    </message>
    <message>
        <source>Reading the bands …</source>
        <translation>Kanäle werden gelesen …</translation>
    </message>
    <message>
        <source>Reading {}</source>
        <translation>{} wird gelesen</translation>
    </message>
    <message>
        <source>Rasters</source>
        <translation>Raster</translation>
    </message>
    <message>
        <source>All files</source>
        <translation>Alle Dateien</translation>
    </message>
    <message>
        <source>Open a raster</source>
        <translation>Raster öffnen</translation>
    </message>
    <message>
        <source>Copying the layer …</source>
        <translation>Layer wird kopiert …</translation>
    </message>
    <message>
        <source>Copying {}</source>
        <translation>{} wird kopiert</translation>
    </message>
    <message>
        <source>Copying the layer … {:.0%}</source>
        <translation>Layer wird kopiert … {:.0%}</translation>
    </message>
</context>
<context>
    <name>LayerPanel</name>
    <message>
        <source>Open a raster file</source>
        <translation>Rasterdatei öffnen</translation>
    </message>
    <message>
        <source>e.g. nir,red  or band numbers: 5,4,3  or ndvi</source>
        <translation>z. B. nir,red  oder Kanalnummern: 5,4,3  oder ndvi</translation>
    </message>
    <message>
        <source>Model sees</source>
        <translation>Modell sieht</translation>
    </message>
    <message>
        <source>No band is known as {}: set it in the table, or choose another input.</source>
        <translation>Kein Kanal ist als {} bekannt: Tragen Sie ihn in der Tabelle ein, oder wählen Sie eine andere Eingabe.</translation>
    </message>
    <message>
        <source> or </source>
        <translation> oder </translation>
    </message>
    <message>
        <source>band</source>
        <translation>Kanal</translation>
    </message>
    <message>
        <source>{} m pixels</source>
        <translation>{}-m-Pixel</translation>
    </message>
    <message>
        <source>no nodata value</source>
        <translation>kein Leerwert</translation>
    </message>
    <message>
        <source>nodata {}</source>
        <translation>Leerwert {}</translation>
    </message>
    <message>
        <source>rotated</source>
        <translation>gedreht</translation>
    </message>
    <message>
        <source>Band</source>
        <translation>Kanal</translation>
    </message>
    <message>
        <source>Role</source>
        <translation>Rolle</translation>
    </message>
    <message>
        <source>Low</source>
        <translation>Tief</translation>
    </message>
    <message>
        <source>High</source>
        <translation>Hoch</translation>
    </message>
    <message>
        <source>2nd and 98th percentile of the pixel values</source>
        <translation>2. und 98. Perzentil der Pixelwerte</translation>
    </message>
    <message>
        <source>Near infrared, found by itself</source>
        <translation>Nahes Infrarot, selbst gefunden</translation>
    </message>
    <message>
        <source>Near infrared only</source>
        <translation>Nur nahes Infrarot</translation>
    </message>
    <message>
        <source>Near infrared, red, green</source>
        <translation>Nahes Infrarot, Rot, Grün</translation>
    </message>
    <message>
        <source>Red, green, blue</source>
        <translation>Rot, Grün, Blau</translation>
    </message>
    <message>
        <source>Near infrared and NDVI</source>
        <translation>Nahes Infrarot und NDVI</translation>
    </message>
    <message>
        <source>Own choice …</source>
        <translation>Eigene Wahl …</translation>
    </message>
    <message>
        <source>unknown</source>
        <translation>unbekannt</translation>
    </message>
</context>
<context>
    <name>Layers</name>
    <message>
        <source>No layer is chosen.</source>
        <translation>Es ist kein Layer gewählt.</translation>
    </message>
    <message>
        <source>{} is no raster layer.</source>
        <translation>{} ist kein Rasterlayer.</translation>
    </message>
    <message>
        <source>{} cannot be read: its file or server is missing.</source>
        <translation>{} kann nicht gelesen werden: Datei oder Server fehlt.</translation>
    </message>
    <message>
        <source>{} has no bands.</source>
        <translation>{} hat keine Kanäle.</translation>
    </message>
    <message>
        <source>{} holds complex numbers; a raster of real ones is needed.</source>
        <translation>{} enthält komplexe Zahlen; gebraucht wird ein Raster mit reellen.</translation>
    </message>
    <message>
        <source>It comes from a server or from other layers ({}).</source>
        <translation>Er kommt von einem Server oder aus anderen Layern ({}).</translation>
    </message>
    <message>
        <source>It needs a password that only QGIS knows.</source>
        <translation>Er braucht ein Passwort, das nur QGIS kennt.</translation>
    </message>
    <message>
        <source>It is no file on this computer, or a part of one.</source>
        <translation>Er ist keine Datei auf diesem Rechner oder nur ein Teil von einer.</translation>
    </message>
    <message>
        <source>It is opened with options that change what is in it.</source>
        <translation>Er ist mit Optionen geöffnet, die seinen Inhalt verändern.</translation>
    </message>
    <message>
        <source>Its nodata settings are more than one value.</source>
        <translation>Seine Leerwert-Einstellungen sind mehr als ein Wert.</translation>
    </message>
</context>
<context>
    <name>Messages</name>
    <message>
        <source>Details</source>
        <translation>Einzelheiten</translation>
    </message>
</context>
<context>
    <name>ModelDelegate</name>
    <message>
        <source>IoU {:.2f}</source>
        <translation>IoU {:.2f}</translation>
    </message>
</context>
<context>
    <name>ModelList</name>
    <message>
        <source>for {}</source>
        <translation>für {}</translation>
    </message>
    <message>
        <source>for {} and {} more</source>
        <translation>für {} und {} weitere</translation>
    </message>
    <message>
        <source>No model yet: train one above, or import a .nirlora file.</source>
        <translation>Noch kein Modell: Trainieren Sie oben eines, oder importieren Sie eine .nirlora-Datei.</translation>
    </message>
    <message>
        <source>Use a .nirlora file from elsewhere</source>
        <translation>Eine .nirlora-Datei von anderswo verwenden</translation>
    </message>
    <message>
        <source>Import</source>
        <translation>Importieren</translation>
    </message>
    <message>
        <source>Save a copy to hand on</source>
        <translation>Eine Kopie zum Weitergeben speichern</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>Exportieren</translation>
    </message>
    <message>
        <source>Delete the model file</source>
        <translation>Die Modelldatei löschen</translation>
    </message>
    <message>
        <source>Remove</source>
        <translation>Entfernen</translation>
    </message>
    <message>
        <source>classes: {}</source>
        <translation>Klassen: {}</translation>
    </message>
    <message>
        <source>IoU {:.2f} on the field of its polygons; not known on the other</source>
        <translation>IoU {:.2f} auf dem Feld seiner Polygone; auf dem anderen nicht bekannt</translation>
    </message>
    <message>
        <source>input: {}</source>
        <translation>Eingabe: {}</translation>
    </message>
    <message>
        <source>trained at {:.3g} m pixels</source>
        <translation>trainiert bei {:.3g}-m-Pixeln</translation>
    </message>
</context>
<context>
    <name>ModelsFlow</name>
    <message>
        <source>Looking for models</source>
        <translation>Modelle werden gesucht</translation>
    </message>
    <message>
        <source>NIR-LoRA models</source>
        <translation>NIR-LoRA-Modelle</translation>
    </message>
    <message>
        <source>Import a model</source>
        <translation>Modell importieren</translation>
    </message>
    <message>
        <source>The model was not imported: {}</source>
        <translation>Das Modell wurde nicht importiert: {}</translation>
    </message>
    <message>
        <source>Export the model</source>
        <translation>Modell exportieren</translation>
    </message>
    <message>
        <source>The model was not exported: {}</source>
        <translation>Das Modell wurde nicht exportiert: {}</translation>
    </message>
    <message>
        <source>The model was saved as {}.</source>
        <translation>Das Modell wurde als {} gespeichert.</translation>
    </message>
    <message>
        <source>Remove the model</source>
        <translation>Modell entfernen</translation>
    </message>
    <message>
        <source>Delete the file {}? This cannot be undone.</source>
        <translation>Die Datei {} löschen? Das lässt sich nicht rückgängig machen.</translation>
    </message>
    <message>
        <source>The model was not removed: {}</source>
        <translation>Das Modell wurde nicht entfernt: {}</translation>
    </message>
</context>
<context>
    <name>NirLoraDock</name>
    <message>
        <source>More</source>
        <translation>Mehr</translation>
    </message>
    <message>
        <source>Layer</source>
        <translation>Layer</translation>
    </message>
    <message>
        <source>Training polygons</source>
        <translation>Trainingspolygone</translation>
    </message>
    <message>
        <source>Train</source>
        <translation>Trainieren</translation>
    </message>
    <message>
        <source>Segment NIR layer</source>
        <translation>NIR-Layer segmentieren</translation>
    </message>
    <message>
        <source>Carry the model to another field</source>
        <translation>Modell auf ein anderes Feld übertragen</translation>
    </message>
    <message>
        <source>A field without polygons of its own</source>
        <translation>Ein Feld ohne eigene Polygone</translation>
    </message>
    <message>
        <source>Adapt to rasters without labels</source>
        <translation>An Raster ohne Labels anpassen</translation>
    </message>
    <message>
        <source>Backend and log</source>
        <translation>Backend und Protokoll</translation>
    </message>
    <message>
        <source>Set up the backend …</source>
        <translation>Backend einrichten …</translation>
    </message>
    <message>
        <source>Stop the backend</source>
        <translation>Backend beenden</translation>
    </message>
    <message>
        <source>Show the log</source>
        <translation>Protokoll zeigen</translation>
    </message>
    <message>
        <source>How it works</source>
        <translation>So funktioniert es</translation>
    </message>
</context>
<context>
    <name>NirLoraPlugin</name>
    <message>
        <source>NIR-LoRA panel</source>
        <translation>NIR-LoRA-Bedienfeld</translation>
    </message>
    <message>
        <source>Segment NIR layer</source>
        <translation>NIR-Layer segmentieren</translation>
    </message>
    <message>
        <source>Help</source>
        <translation>Hilfe</translation>
    </message>
</context>
<context>
    <name>Processing</name>
    <message>
        <source>Adapt to rasters without labels</source>
        <translation>An Raster ohne Labels anpassen</translation>
    </message>
    <message>
        <source>Lets a network get used to rasters that nobody has labelled.</source>
        <translation>Gewöhnt ein Netz an Raster, für die es keine Labels gibt.</translation>
    </message>
    <message>
        <source>Goes on with the pretraining of a backbone on rasters without labels (ExPLoRA), so that it knows the sensor and the fields before it is trained on a few polygons. The file that comes out is a backbone of trainings: give it to Train a model as Backbone. A training is better for it on some fields and not on others: compare.</source>
        <translation>Setzt das Vortraining eines Backbones auf Rastern ohne Labels fort (ExPLoRA), damit er Sensor und Felder kennt, bevor er mit wenigen Polygonen trainiert wird. Die Datei, die entsteht, ist ein Backbone für Trainings: Geben Sie sie bei „Modell trainieren“ als Backbone an. Auf manchen Feldern ist ein Training damit besser, auf anderen nicht: Vergleichen Sie.</translation>
    </message>
    <message>
        <source>Rasters</source>
        <translation>Raster</translation>
    </message>
    <message>
        <source>Every valid pixel is looked at; labels are not needed.</source>
        <translation>Jedes gültige Pixel wird betrachtet; Labels sind nicht nötig.</translation>
    </message>
    <message>
        <source>Adapted backbone</source>
        <translation>Angepasster Backbone</translation>
    </message>
    <message>
        <source>NIR-LoRA backbone (*.nirlora-backbone)</source>
        <translation>NIR-LoRA-Backbone (*.nirlora-backbone)</translation>
    </message>
    <message>
        <source>Report</source>
        <translation>Bericht</translation>
    </message>
    <message>
        <source>HTML page (*.html)</source>
        <translation>HTML-Seite (*.html)</translation>
    </message>
    <message>
        <source>Left out: beside the backbone.</source>
        <translation>Ohne Angabe: neben dem Backbone.</translation>
    </message>
    <message>
        <source>Steps</source>
        <translation>Schritte</translation>
    </message>
    <message>
        <source>Loss at the start</source>
        <translation>Verlust am Anfang</translation>
    </message>
    <message>
        <source>Loss at the end</source>
        <translation>Verlust am Ende</translation>
    </message>
    <message>
        <source>Time [s]</source>
        <translation>Zeit [s]</translation>
    </message>
    <message>
        <source>There is no raster to adapt to.</source>
        <translation>Es gibt kein Raster zum Anpassen.</translation>
    </message>
    <message>
        <source>What the backbone gets used to: nir, or nir,red,green, or band numbers such as 5,4,3. Left out: the near-infrared band, found by name, wavelength or sensor.</source>
        <translation>Woran sich der Backbone gewöhnt: nir, oder nir,red,green, oder Bandnummern wie 5,4,3. Ohne Angabe: das Nahinfrarotband, gefunden nach Name, Wellenlänge oder Sensor.</translation>
    </message>
    <message>
        <source>Backbone</source>
        <translation>Backbone</translation>
    </message>
    <message>
        <source>What to go on with: a name, a file or folder of weights, or an adapted backbone. Left out: the default.</source>
        <translation>Womit es weitergeht: ein Name, eine Datei oder ein Ordner mit Gewichten, oder ein angepasster Backbone. Ohne Angabe: der Standard.</translation>
    </message>
    <message>
        <source>How it learns</source>
        <translation>Wie er lernt</translation>
    </message>
    <message>
        <source>mae: by drawing hidden parts of the image; dino: by agreeing on different views of a place, several times slower and for large batches.</source>
        <translation>mae: indem er verdeckte Teile des Bildes zeichnet; dino: indem verschiedene Ansichten eines Ortes übereinstimmen, um ein Mehrfaches langsamer und für große Stapel.</translation>
    </message>
    <message>
        <source>Time limit [s]</source>
        <translation>Zeitgrenze [s]</translation>
    </message>
    <message>
        <source>The run plans to be finished by then. 0: no limit.</source>
        <translation>Der Lauf wird so geplant, dass er bis dahin fertig ist. 0: keine Grenze.</translation>
    </message>
    <message>
        <source>Start from pretrained weights</source>
        <translation>Mit vortrainierten Gewichten beginnen</translation>
    </message>
    <message>
        <source>How bands enter a network made for RGB</source>
        <translation>Wie Kanäle in ein für RGB gemachtes Netz kommen</translation>
    </message>
    <message>
        <source>Blocks that train whole</source>
        <translation>Blöcke, die ganz trainiert werden</translation>
    </message>
    <message>
        <source>last; 1,last; numbers from 1; none; all. Left out: last, or all of a network with random weights.</source>
        <translation>last; 1,last; Nummern ab 1; none; all. Ohne Angabe: last, oder bei einem Netz mit Zufallsgewichten all.</translation>
    </message>
    <message>
        <source>LoRA rank in the other blocks</source>
        <translation>LoRA-Rang in den anderen Blöcken</translation>
    </message>
    <message>
        <source>LoRA alpha</source>
        <translation>LoRA-Alpha</translation>
    </message>
    <message>
        <source>The additions are scaled by alpha / rank. 0: alpha is the rank.</source>
        <translation>Die Ergänzungen werden mit Alpha / Rang skaliert. 0: Alpha ist der Rang.</translation>
    </message>
    <message>
        <source>Whether the entry of the network trains</source>
        <translation>Ob der Eingang des Netzes trainiert wird</translation>
    </message>
    <message>
        <source>auto: if the bands are new to it.</source>
        <translation>auto: falls ihm die Bänder neu sind.</translation>
    </message>
    <message>
        <source>Zoom [model input pixels per raster pixel]</source>
        <translation>Zoom [Eingabepixel des Modells je Rasterpixel]</translation>
    </message>
    <message>
        <source>More finds finer detail and takes longer. 0: chosen.</source>
        <translation>Mehr findet feinere Einzelheiten und dauert länger. 0: wird gewählt.</translation>
    </message>
    <message>
        <source>Side of a training chip [raster pixels]</source>
        <translation>Seitenlänge eines Trainingsausschnitts [Rasterpixel]</translation>
    </message>
    <message>
        <source>0: chosen.</source>
        <translation>0: wird gewählt.</translation>
    </message>
    <message>
        <source>mae: share of hidden parts</source>
        <translation>mae: Anteil verdeckter Teile</translation>
    </message>
    <message>
        <source>mae: file with weights of a published decoder</source>
        <translation>mae: Datei mit Gewichten eines veröffentlichten Decoders</translation>
    </message>
    <message>
        <source>Left out: a new decoder.</source>
        <translation>Ohne Angabe: ein neuer Decoder.</translation>
    </message>
    <message>
        <source>mae: LoRA rank in a published decoder</source>
        <translation>mae: LoRA-Rang in einem veröffentlichten Decoder</translation>
    </message>
    <message>
        <source>dino: how the teacher is balanced</source>
        <translation>dino: wie der Lehrer ausgewogen wird</translation>
    </message>
    <message>
        <source>dino: size of the head</source>
        <translation>dino: Größe des Kopfs</translation>
    </message>
    <message>
        <source>dino: small views of each chip</source>
        <translation>dino: kleine Ansichten je Ausschnitt</translation>
    </message>
    <message>
        <source>Chips at a time</source>
        <translation>Ausschnitte auf einmal</translation>
    </message>
    <message>
        <source>Times as many for each step</source>
        <translation>Mal so viele für jeden Schritt</translation>
    </message>
    <message>
        <source>Learning rate</source>
        <translation>Lernrate</translation>
    </message>
    <message>
        <source>Seed of everything random</source>
        <translation>Startwert alles Zufälligen</translation>
    </message>
    <message>
        <source>Resume</source>
        <translation>Fortsetzen</translation>
    </message>
    <message>
        <source>Go on from the last checkpoint of the same run.</source>
        <translation>Vom letzten Zwischenstand desselben Laufs weitermachen.</translation>
    </message>
    <message>
        <source>Replace an existing backbone</source>
        <translation>Einen vorhandenen Backbone ersetzen</translation>
    </message>
    <message>
        <source>0: no LoRA.</source>
        <translation>0: kein LoRA.</translation>
    </message>
    <message>
        <source>The job was stopped.</source>
        <translation>Der Auftrag wurde beendet.</translation>
    </message>
    <message>
        <source>Starting the backend</source>
        <translation>Backend wird gestartet</translation>
    </message>
    <message>
        <source>Model (.nirlora)</source>
        <translation>Modell (.nirlora)</translation>
    </message>
    <message>
        <source>A model file from training.</source>
        <translation>Eine Modelldatei aus dem Training.</translation>
    </message>
    <message>
        <source>Evaluate a model</source>
        <translation>Modell bewerten</translation>
    </message>
    <message>
        <source>Compares a model's map of a raster with reference labels.</source>
        <translation>Vergleicht die Karte, die ein Modell von einem Raster macht, mit Referenzlabels.</translation>
    </message>
    <message>
        <source>Maps a raster and compares the map with reference labels that the model was not trained on: IoU, F1, precision and recall of every class, their means, and the confusion matrix.</source>
        <translation>Kartiert ein Raster und vergleicht die Karte mit Referenzlabels, mit denen das Modell nicht trainiert wurde: IoU, F1, Genauigkeit (Precision) und Trefferquote (Recall) jeder Klasse, ihre Mittel und die Konfusionsmatrix.</translation>
    </message>
    <message>
        <source>Scores</source>
        <translation>Bewertung</translation>
    </message>
    <message>
        <source>JSON (*.json)</source>
        <translation>JSON (*.json)</translation>
    </message>
    <message>
        <source>Mean IoU</source>
        <translation>Mittlerer IoU</translation>
    </message>
    <message>
        <source>Mean F1</source>
        <translation>Mittlerer F1</translation>
    </message>
    <message>
        <source>Accuracy</source>
        <translation>Gesamtgenauigkeit</translation>
    </message>
    <message>
        <source>Labelled pixels</source>
        <translation>Pixel mit Label</translation>
    </message>
    <message>
        <source>Scores (JSON)</source>
        <translation>Bewertung (JSON)</translation>
    </message>
    <message>
        <source>Raster</source>
        <translation>Raster</translation>
    </message>
    <message>
        <source>Reference: polygons, points or a raster of classes</source>
        <translation>Referenz: Polygone, Punkte oder ein Raster von Klassen</translation>
    </message>
    <message>
        <source>Which band of this raster is what, when the file does not say: nir=4,red=3. Left out: found.</source>
        <translation>Welcher Kanal dieses Rasters was ist, wenn die Datei es nicht sagt: nir=4,red=3. Ohne Angabe: wird gefunden.</translation>
    </message>
    <message>
        <source>Field with the class</source>
        <translation>Feld mit der Klasse</translation>
    </message>
    <message>
        <source>Go on even if the raster does not fit the model</source>
        <translation>Auch dann fortfahren, wenn das Raster nicht zum Modell passt</translation>
    </message>
    <message>
        <source>Where the backbone's weights are, when they moved</source>
        <translation>Wo die Gewichte des Backbones liegen, falls sie umgezogen sind</translation>
    </message>
    <message>
        <source>Export a model to ONNX</source>
        <translation>Modell nach ONNX exportieren</translation>
    </message>
    <message>
        <source>Writes a model as one ONNX file that runs without PyTorch.</source>
        <translation>Schreibt ein Modell als eine ONNX-Datei, die ohne PyTorch läuft.</translation>
    </message>
    <message>
        <source>Writes a model as one ONNX file that runs without PyTorch, and compares both on real pieces of a raster; a file that does not agree with the model is not written.</source>
        <translation>Schreibt ein Modell als eine ONNX-Datei, die ohne PyTorch läuft, und vergleicht beide an echten Ausschnitten eines Rasters; eine Datei, die nicht mit dem Modell übereinstimmt, wird nicht geschrieben.</translation>
    </message>
    <message>
        <source>Raster to compare on</source>
        <translation>Raster für den Vergleich</translation>
    </message>
    <message>
        <source>Left out: the first raster that the model was trained on.</source>
        <translation>Ohne Angabe: das erste Raster, mit dem das Modell trainiert wurde.</translation>
    </message>
    <message>
        <source>Largest difference</source>
        <translation>Größter Unterschied</translation>
    </message>
    <message>
        <source>Share of equal pixels</source>
        <translation>Anteil gleicher Pixel</translation>
    </message>
    <message>
        <source>Compared on</source>
        <translation>Verglichen an</translation>
    </message>
    <message>
        <source>ONNX file</source>
        <translation>ONNX-Datei</translation>
    </message>
    <message>
        <source>ONNX (*.onnx)</source>
        <translation>ONNX (*.onnx)</translation>
    </message>
    <message>
        <source>Side of a tile [raster pixels]</source>
        <translation>Seitenlänge einer Kachel [Rasterpixel]</translation>
    </message>
    <message>
        <source>Pieces to compare on</source>
        <translation>Ausschnitte für den Vergleich</translation>
    </message>
    <message>
        <source>Largest difference allowed</source>
        <translation>Größter erlaubter Unterschied</translation>
    </message>
    <message>
        <source>Smallest share of equal pixels allowed</source>
        <translation>Kleinster erlaubter Anteil gleicher Pixel</translation>
    </message>
    <message>
        <source>Replace an existing file</source>
        <translation>Vorhandene Datei ersetzen</translation>
    </message>
    <message>
        <source>Queued</source>
        <translation>In der Warteschlange</translation>
    </message>
    <message>
        <source>mIoU {:.3f}</source>
        <translation>mIoU {:.3f}</translation>
    </message>
    <message>
        <source>loss {:.3f}</source>
        <translation>Verlust {:.3f}</translation>
    </message>
    <message>
        <source>Labels as a raster must be a file on this computer; {} is none.</source>
        <translation>Labels als Raster müssen eine Datei auf diesem Rechner sein; {} ist keine.</translation>
    </message>
    <message>
        <source>{} layers of labels for {} rasters: give one for all of them, or one for each in the same order.</source>
        <translation>{} Layer mit Labels für {} Raster: Geben Sie einen für alle an, oder je einen in derselben Reihenfolge.</translation>
    </message>
    <message>
        <source>The layer {} holds edits that are not saved. Save them, then run again.</source>
        <translation>Der Layer {} enthält ungespeicherte Änderungen. Speichern Sie sie, und starten Sie noch einmal.</translation>
    </message>
    <message>
        <source>The layer {} cannot be read.</source>
        <translation>Der Layer {} kann nicht gelesen werden.</translation>
    </message>
    <message>
        <source>One of: {}.</source>
        <translation>Eines von: {}.</translation>
    </message>
    <message>
        <source>Writing the layer to a GeoTIFF</source>
        <translation>Layer wird als GeoTIFF geschrieben</translation>
    </message>
    <message>
        <source>Extent to read of a layer that is no local file</source>
        <translation>Auszulesende Ausdehnung eines Layers, der keine lokale Datei ist</translation>
    </message>
    <message>
        <source>Pixel size to read such a layer at [units of the layer's CRS]</source>
        <translation>Pixelgröße, mit der ein solcher Layer gelesen wird [Einheiten des Layer-KBS]</translation>
    </message>
    <message>
        <source>Layers that are files on this computer are read as they are.</source>
        <translation>Layer, die Dateien auf diesem Rechner sind, werden gelesen, wie sie sind.</translation>
    </message>
    <message>
        <source>Segment NIR layer</source>
        <translation>NIR-Layer segmentieren</translation>
    </message>
    <message>
        <source>Applies a model to a raster: a class for every pixel, on the raster's own grid.</source>
        <translation>Wendet ein Modell auf ein Raster an: eine Klasse für jedes Pixel, auf dem Gitter des Rasters.</translation>
    </message>
    <message>
        <source>Applies a model to a raster. The map lies on exactly the grid of the raster, with a class in every pixel and 255 where the raster has no data. A table of areas, in hectares, is written beside it.</source>
        <translation>Wendet ein Modell auf ein Raster an. Die Karte liegt genau auf dem Gitter des Rasters, mit einer Klasse in jedem Pixel und 255, wo das Raster keine Daten hat. Daneben wird eine Flächentabelle in Hektar geschrieben.</translation>
    </message>
    <message>
        <source>Area: polygons outside of which nothing is mapped</source>
        <translation>Gebiet: Polygone, außerhalb derer nichts kartiert wird</translation>
    </message>
    <message>
        <source>Areas (JSON)</source>
        <translation>Flächen (JSON)</translation>
    </message>
    <message>
        <source>Mapped area [ha]</source>
        <translation>Kartierte Fläche [ha]</translation>
    </message>
    <message>
        <source>Mapped pixels</source>
        <translation>Kartierte Pixel</translation>
    </message>
    <message>
        <source>Table of areas</source>
        <translation>Flächentabelle</translation>
    </message>
    <message>
        <source>Table (*.csv)</source>
        <translation>Tabelle (*.csv)</translation>
    </message>
    <message>
        <source>Left out: beside the map.</source>
        <translation>Ohne Angabe: neben der Karte.</translation>
    </message>
    <message>
        <source>Map</source>
        <translation>Karte</translation>
    </message>
    <message>
        <source>Confidence</source>
        <translation>Konfidenz</translation>
    </message>
    <message>
        <source>Probability of every class</source>
        <translation>Wahrscheinlichkeit jeder Klasse</translation>
    </message>
    <message>
        <source>Polygons</source>
        <translation>Polygone</translation>
    </message>
    <message>
        <source>Leave out polygons smaller than [m²]</source>
        <translation>Polygone weglassen, die kleiner sind als [m²]</translation>
    </message>
    <message>
        <source>Map even if the raster does not fit the model</source>
        <translation>Auch dann kartieren, wenn das Raster nicht zum Modell passt</translation>
    </message>
    <message>
        <source>Bands, value range or pixel size differ from the training's.</source>
        <translation>Kanäle, Wertebereich oder Pixelgröße weichen vom Training ab.</translation>
    </message>
    <message>
        <source>Overlap of tiles [raster pixels]</source>
        <translation>Überlappung der Kacheln [Rasterpixel]</translation>
    </message>
    <message>
        <source>Tiles at a time</source>
        <translation>Kacheln auf einmal</translation>
    </message>
    <message>
        <source>Replace an earlier map</source>
        <translation>Frühere Karte ersetzen</translation>
    </message>
    <message>
        <source>Rasters without labels that the model is carried to</source>
        <translation>Raster ohne Labels, auf die das Modell übertragen wird</translation>
    </message>
    <message>
        <source>Self-training: the model teaches itself on them, in rounds.</source>
        <translation>Selbsttraining: Das Modell unterrichtet sich dort selbst, in Runden.</translation>
    </message>
    <message>
        <source>Labels of those rasters, for scores alone</source>
        <translation>Labels dieser Raster, nur zum Bewerten</translation>
    </message>
    <message>
        <source>Bands of the target rasters</source>
        <translation>Bänder der Zielraster</translation>
    </message>
    <message>
        <source>Scale the target's pixels by its own range, or as the source's</source>
        <translation>Pixel des Ziels nach seinem eigenen Wertebereich skalieren, oder wie die der Quelle</translation>
    </message>
    <message>
        <source>What keeps self-training steady</source>
        <translation>Was das Selbsttraining stabil hält</translation>
    </message>
    <message>
        <source>LoRA, a slow average of the network that teaches (ema), or both.</source>
        <translation>LoRA, ein langsames Mittel des Netzes als Lehrer (ema), oder beides.</translation>
    </message>
    <message>
        <source>Rounds with pseudo-labels</source>
        <translation>Runden mit Pseudo-Labelsn</translation>
    </message>
    <message>
        <source>Weights that a round starts from</source>
        <translation>Gewichte, mit denen eine Runde beginnt</translation>
    </message>
    <message>
        <source>How often classes are said</source>
        <translation>Wie oft Klassen gesagt werden</translation>
    </message>
    <message>
        <source>As in the source's labels, or as training on rare classes left it.</source>
        <translation>Wie in den Labels der Quelle, oder wie das Training auf seltene Klassen es ließ.</translation>
    </message>
    <message>
        <source>Leave out pseudo-labels less sure than</source>
        <translation>Pseudo-Labels weglassen, die unsicherer sind als</translation>
    </message>
    <message>
        <source>0: none are left out.</source>
        <translation>0: keine werden weggelassen.</translation>
    </message>
    <message>
        <source>Weight of making both rasters' features alike</source>
        <translation>Gewicht der Angleichung der Merkmale beider Raster</translation>
    </message>
    <message>
        <source>0: no discriminators.</source>
        <translation>0: keine Diskriminatoren.</translation>
    </message>
    <message>
        <source>What the discriminator tells apart</source>
        <translation>Was der Diskriminator unterscheidet</translation>
    </message>
    <message>
        <source>Train a model</source>
        <translation>Modell trainieren</translation>
    </message>
    <message>
        <source>Trains a model on the labelled pixels of one or more rasters.</source>
        <translation>Trainiert ein Modell mit den gelabelten Pixeln eines oder mehrerer Raster.</translation>
    </message>
    <message>
        <source>Trains a model on the labelled pixels of one or more rasters: a few polygons with a class each are enough, what is not labelled is ignored. Part of the polygons is held out, and the scores say how well the model does there.</source>
        <translation>Trainiert ein Modell mit den gelabelten Pixeln eines oder mehrerer Raster: Einige Polygone mit je einer Klasse genügen, was kein Label hat, bleibt unbeachtet. Ein Teil der Polygone wird zurückgehalten, und die Bewertung sagt, wie gut das Modell dort ist.</translation>
    </message>
    <message>
        <source>Labels: polygons, points or a raster of classes</source>
        <translation>Labels: Polygone, Punkte oder ein Raster von Klassen</translation>
    </message>
    <message>
        <source>One layer for all rasters, or one for each in the same order. Left out: the file &lt;raster&gt;_training.gpkg beside each raster, which the dock makes.</source>
        <translation>Ein Layer für alle Raster, oder je einer in derselben Reihenfolge. Ohne Angabe: die Datei &lt;raster&gt;_training.gpkg neben jedem Raster, die das Bedienfeld anlegt.</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>Modell</translation>
    </message>
    <message>
        <source>NIR-LoRA model (*.nirlora)</source>
        <translation>NIR-LoRA-Modell (*.nirlora)</translation>
    </message>
    <message>
        <source>Left out: beside the model.</source>
        <translation>Ohne Angabe: neben dem Modell.</translation>
    </message>
    <message>
        <source>mIoU of held-out labels</source>
        <translation>mIoU der zurückgehaltenen Labels</translation>
    </message>
    <message>
        <source>Classes</source>
        <translation>Klassen</translation>
    </message>
    <message>
        <source>There is no raster to train on.</source>
        <translation>Es gibt kein Raster zum Trainieren.</translation>
    </message>
    <message>
        <source>Bands</source>
        <translation>Kanäle</translation>
    </message>
    <message>
        <source>Reflectance = pixel value * scale + offset. Left out: from the file.</source>
        <translation>Reflexion = Pixelwert * Faktor + Versatz. Ohne Angabe: aus der Datei.</translation>
    </message>
    <message>
        <source>Reflectance scale</source>
        <translation>Faktor der Reflexion</translation>
    </message>
    <message>
        <source>Reflectance offset</source>
        <translation>Versatz der Reflexion</translation>
    </message>
    <message>
        <source>auto takes the GPU if there is one; else cpu, cuda, cuda:1, mps.</source>
        <translation>auto nimmt die GPU, wenn es eine gibt; sonst cpu, cuda, cuda:1, mps.</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>Gerät</translation>
    </message>
    <message>
        <source>What the model sees: nir, or nir,red,green, or band numbers such as 5,4,3, or an index such as ndvi. Left out: the near-infrared band, found by name, wavelength or sensor.</source>
        <translation>Was das Modell sieht: nir, oder nir,red,green, oder Kanalnummern wie 5,4,3, oder ein Index wie ndvi. Ohne Angabe: der Nahinfrarotkanal, gefunden über Name, Wellenlänge oder Sensor.</translation>
    </message>
    <message>
        <source>The training plans to be finished by then. 0: no limit.</source>
        <translation>Bis dahin will das Training fertig sein. 0: keine Grenze.</translation>
    </message>
    <message>
        <source>Epochs</source>
        <translation>Epochen</translation>
    </message>
    <message>
        <source>Passes; each ends with a validation on the held-out labels.</source>
        <translation>Durchgänge; jeder endet mit einer Prüfung an den zurückgehaltenen Labels.</translation>
    </message>
    <message>
        <source>Keep only these, in this order, with commas between. Left out: all found.</source>
        <translation>Nur diese behalten, in dieser Reihenfolge, mit Kommas dazwischen. Ohne Angabe: alle gefundenen.</translation>
    </message>
    <message>
        <source>Positive class</source>
        <translation>Positive Klasse</translation>
    </message>
    <message>
        <source>A job of two classes: this one against the rest.</source>
        <translation>Eine Aufgabe mit zwei Klassen: diese gegen den Rest.</translation>
    </message>
    <message>
        <source>Radius around labelled points [m]</source>
        <translation>Radius um gelabelte Punkte [m]</translation>
    </message>
    <message>
        <source>0: one pixel and a half.</source>
        <translation>0: eineinhalb Pixel.</translation>
    </message>
    <message>
        <source>Share of the labels held out for validation</source>
        <translation>Anteil der Labels, der für die Prüfung zurückgehalten wird</translation>
    </message>
    <message>
        <source>Preset</source>
        <translation>Voreinstellung</translation>
    </message>
    <message>
        <source>A paper's protocol: lora-nir with a positive class, transda with target rasters.</source>
        <translation>Protokoll einer Veröffentlichung: lora-nir mit einer positiven Klasse, transda mit Zielrastern.</translation>
    </message>
    <message>
        <source>A name, or a file or folder of weights. Left out: the default.</source>
        <translation>Ein Name, oder eine Datei oder ein Ordner mit Gewichten. Ohne Angabe: der Standard.</translation>
    </message>
    <message>
        <source>How channels are normalised</source>
        <translation>Wie Kanäle normiert werden</translation>
    </message>
    <message>
        <source>backbone: by its mean and deviation; mean: only less the training's mean.</source>
        <translation>backbone: nach dessen Mittel und Streuung; mean: nur abzüglich des Mittels des Trainings.</translation>
    </message>
    <message>
        <source>What of the backbone is trained</source>
        <translation>Was vom Backbone trainiert wird</translation>
    </message>
    <message>
        <source>lora: low-rank additions; frozen: nothing; full: everything.</source>
        <translation>lora: Ergänzungen von kleinem Rang; frozen: nichts; full: alles.</translation>
    </message>
    <message>
        <source>Options of the adapter</source>
        <translation>Optionen des Adapters</translation>
    </message>
    <message>
        <source>NAME=VALUE, several with semicolons between. A wrong name lists them.</source>
        <translation>NAME=WERT, mehrere durch Semikolon getrennt. Ein falscher Name zählt sie auf.</translation>
    </message>
    <message>
        <source>LoRA rank</source>
        <translation>LoRA-Rang</translation>
    </message>
    <message>
        <source>Blocks that are adapted</source>
        <translation>Blöcke, die angepasst werden</translation>
    </message>
    <message>
        <source>all, or last:4 for the last four.</source>
        <translation>all, oder last:4 für die letzten vier.</translation>
    </message>
    <message>
        <source>Head</source>
        <translation>Kopf</translation>
    </message>
    <message>
        <source>Dilation rates of the aspp head</source>
        <translation>Dilatationsraten des aspp-Kopfs</translation>
    </message>
    <message>
        <source>Chips per step</source>
        <translation>Ausschnitte je Schritt</translation>
    </message>
    <message>
        <source>Steps per epoch</source>
        <translation>Schritte je Epoche</translation>
    </message>
    <message>
        <source>Stop after epochs without a better score</source>
        <translation>Aufhören nach Epochen ohne bessere Bewertung</translation>
    </message>
    <message>
        <source>0: never.</source>
        <translation>0: nie.</translation>
    </message>
    <message>
        <source>Go on from the last checkpoint of the same training.</source>
        <translation>Beim letzten Zwischenstand desselben Trainings weitermachen.</translation>
    </message>
    <message>
        <source>Replace an existing model</source>
        <translation>Vorhandenes Modell ersetzen</translation>
    </message>
</context>
<context>
    <name>Readiness</name>
    <message>
        <source>Set up the backend first.</source>
        <translation>Richten Sie zuerst das Backend ein.</translation>
    </message>
    <message>
        <source>Choose a raster layer.</source>
        <translation>Wählen Sie einen Rasterlayer.</translation>
    </message>
    <message>
        <source>The layer is being read.</source>
        <translation>Der Layer wird gelesen.</translation>
    </message>
    <message>
        <source>First choose the layer above.</source>
        <translation>Wählen Sie zuerst oben den Layer.</translation>
    </message>
    <message>
        <source>Draw training polygons first.</source>
        <translation>Zeichnen Sie zuerst Trainingspolygone.</translation>
    </message>
    <message>
        <source>At least two classes are needed, to tell them apart.</source>
        <translation>Es braucht mindestens zwei Klassen, um sie zu unterscheiden.</translation>
    </message>
    <message>
        <source>Draw polygons of {}.</source>
        <translation>Zeichnen Sie Polygone von {}.</translation>
    </message>
    <message>
        <source> and </source>
        <translation> und </translation>
    </message>
    <message>
        <source>Tick the field to carry the model to.</source>
        <translation>Kreuzen Sie das Feld an, auf das das Modell übertragen werden soll.</translation>
    </message>
    <message>
        <source>Tick a raster to look at.</source>
        <translation>Kreuzen Sie ein Raster zum Ansehen an.</translation>
    </message>
    <message>
        <source>Train a model, or import one.</source>
        <translation>Trainieren oder importieren Sie ein Modell.</translation>
    </message>
    <message>
        <source>The model does not fit this layer, see above.</source>
        <translation>Das Modell passt nicht zu diesem Layer, siehe oben.</translation>
    </message>
    <message>
        <source>A training is running.</source>
        <translation>Ein Training läuft.</translation>
    </message>
    <message>
        <source>A backbone is being adapted.</source>
        <translation>Ein Backbone wird angepasst.</translation>
    </message>
    <message>
        <source>A map is being made.</source>
        <translation>Eine Karte wird gemacht.</translation>
    </message>
</context>
<context>
    <name>ResultLayers</name>
    <message>
        <source>QGIS cannot open {}.</source>
        <translation>QGIS kann {} nicht öffnen.</translation>
    </message>
    <message>
        <source>Is the file still there?</source>
        <translation>Ist die Datei noch da?</translation>
    </message>
    <message>
        <source>{} polygons</source>
        <translation>{} Polygone</translation>
    </message>
</context>
<context>
    <name>SegmentFlow</name>
    <message>
        <source>Segmenting {}</source>
        <translation>{} wird segmentiert</translation>
    </message>
    <message>
        <source>There is no layer or no model.</source>
        <translation>Es fehlt ein Layer oder ein Modell.</translation>
    </message>
    <message>
        <source>There is no polygon layer to segment inside of.</source>
        <translation>Es gibt keinen Polygonlayer, in dem segmentiert werden könnte.</translation>
    </message>
    <message>
        <source>Checking that the model fits …</source>
        <translation>Es wird geprüft, ob das Modell passt …</translation>
    </message>
    <message>
        <source>The backend ended during the run and was started again. No map was written.</source>
        <translation>Das Backend endete während des Laufs und wurde neu gestartet. Es wurde keine Karte geschrieben.</translation>
    </message>
    <message>
        <source>Segment again</source>
        <translation>Noch einmal segmentieren</translation>
    </message>
    <message>
        <source>Checking that the model fits</source>
        <translation>Passt das Modell?</translation>
    </message>
    <message>
        <source>Cancelled; no map was written.</source>
        <translation>Abgebrochen; es wurde keine Karte geschrieben.</translation>
    </message>
    <message>
        <source>The job was interrupted; no map was written.</source>
        <translation>Der Auftrag wurde unterbrochen; es wurde keine Karte geschrieben.</translation>
    </message>
    <message>
        <source>Add the map to this project</source>
        <translation>Die Karte diesem Projekt hinzufügen</translation>
    </message>
    <message>
        <source>The map {} is ready; its project was closed.</source>
        <translation>Die Karte {} ist fertig; ihr Projekt wurde geschlossen.</translation>
    </message>
    <message>
        <source>The map {} is ready.</source>
        <translation>Die Karte {} ist fertig.</translation>
    </message>
    <message>
        <source>The backend was stopped; no map was written.</source>
        <translation>Das Backend wurde beendet; es wurde keine Karte geschrieben.</translation>
    </message>
    <message>
        <source>Save the area table</source>
        <translation>Flächentabelle speichern</translation>
    </message>
</context>
<context>
    <name>SegmentPanel</name>
    <message>
        <source>Run it all the same</source>
        <translation>Trotzdem ausführen</translation>
    </message>
    <message>
        <source>Segment NIR layer</source>
        <translation>NIR-Layer segmentieren</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>Startet</translation>
    </message>
    <message>
        <source>Done in {} on {}.</source>
        <translation>Fertig in {} auf {}.</translation>
    </message>
    <message>
        <source>Done in {} on {} ({}).</source>
        <translation>Fertig in {} auf {} ({}).</translation>
    </message>
    <message>
        <source>Area of each class</source>
        <translation>Fläche jeder Klasse</translation>
    </message>
    <message>
        <source>The whole layer</source>
        <translation>Der ganze Layer</translation>
    </message>
    <message>
        <source>What the map shows now</source>
        <translation>Was die Karte jetzt zeigt</translation>
    </message>
    <message>
        <source>Inside polygons of a layer</source>
        <translation>In Polygonen eines Layers</translation>
    </message>
    <message>
        <source>Its selected polygons, or all when none is selected.</source>
        <translation>Seine gewählten Polygone, oder alle, wenn keines gewählt ist.</translation>
    </message>
    <message>
        <source>Confidence, as a raster</source>
        <translation>Konfidenz, als Raster</translation>
    </message>
    <message>
        <source>A second raster: where the map is sure, where it is not</source>
        <translation>Ein zweites Raster: wo die Karte sicher ist, wo nicht</translation>
    </message>
    <message>
        <source>Probability of each class</source>
        <translation>Wahrscheinlichkeit jeder Klasse</translation>
    </message>
    <message>
        <source>Polygons of at least</source>
        <translation>Polygone von mindestens</translation>
    </message>
    <message>
        <source>Also write the map as polygons; smaller ones are merged away</source>
        <translation>Die Karte auch als Polygone schreiben; kleinere gehen in den Nachbarn auf</translation>
    </message>
    <message>
        <source> m²</source>
        <translation> m²</translation>
    </message>
    <message>
        <source>Where</source>
        <translation>Wo</translation>
    </message>
    <message>
        <source>Write</source>
        <translation>Schreiben</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>Modell</translation>
    </message>
</context>
<context>
    <name>Setup</name>
    <message>
        <source>The disk is full.</source>
        <translation>Der Datenträger ist voll.</translation>
    </message>
    <message>
        <source>Free some space, or choose another folder for the backend, and resume.</source>
        <translation>Schaffen Sie Platz, oder wählen Sie einen anderen Ordner für das Backend, und setzen Sie fort.</translation>
    </message>
    <message>
        <source>A path is too long for this system.</source>
        <translation>Ein Pfad ist zu lang für dieses System.</translation>
    </message>
    <message>
        <source>Choose a folder with a short path for the backend (such as C:\nirlora).</source>
        <translation>Wählen Sie für das Backend einen Ordner mit kurzem Pfad (etwa C:\nirlora).</translation>
    </message>
    <message>
        <source>The proxy refused the connection.</source>
        <translation>Der Proxy hat die Verbindung abgelehnt.</translation>
    </message>
    <message>
        <source>Check the proxy in QGIS (Settings &gt; Options &gt; Network) or in pip's configuration.</source>
        <translation>Prüfen Sie den Proxy in QGIS (Einstellungen &gt; Optionen &gt; Netzwerk) oder in der Konfiguration von pip.</translation>
    </message>
    <message>
        <source>The server's certificate is not trusted, as behind a proxy that reads encrypted traffic.</source>
        <translation>Dem Zertifikat des Servers wird nicht vertraut, wie hinter einem Proxy, der verschlüsselten Verkehr mitliest.</translation>
    </message>
    <message>
        <source>Name your organisation's certificate file with `pip config set global.cert FILE`, and resume.</source>
        <translation>Nennen Sie die Zertifikatsdatei Ihrer Organisation mit `pip config set global.cert DATEI`, und setzen Sie fort.</translation>
    </message>
    <message>
        <source>The package index refused access.</source>
        <translation>Der Paketindex hat den Zugriff verweigert.</translation>
    </message>
    <message>
        <source>Check name and password of the index in pip's configuration.</source>
        <translation>Prüfen Sie Name und Passwort des Index in der Konfiguration von pip.</translation>
    </message>
    <message>
        <source>A downloaded file is not the one that was asked for.</source>
        <translation>Eine heruntergeladene Datei ist nicht die verlangte.</translation>
    </message>
    <message>
        <source>Try again; if it stays so, the package index or a proxy changes files: tell its administrator.</source>
        <translation>Versuchen Sie es noch einmal; bleibt es so, verändert der Paketindex oder ein Proxy Dateien: Sagen Sie es dessen Verwaltung.</translation>
    </message>
    <message>
        <source>This Python cannot make environments.</source>
        <translation>Dieses Python kann keine Umgebungen anlegen.</translation>
    </message>
    <message>
        <source>On Debian and Ubuntu: sudo apt install python3-venv. Then try again.</source>
        <translation>Unter Debian und Ubuntu: sudo apt install python3-venv. Dann noch einmal versuchen.</translation>
    </message>
    <message>
        <source>The system's Python does not allow installing into it.</source>
        <translation>Das Python des Systems erlaubt keine Installation in sich.</translation>
    </message>
    <message>
        <source>Nothing was changed. On Debian and Ubuntu: sudo apt install python3-venv. Then try again.</source>
        <translation>Es wurde nichts verändert. Unter Debian und Ubuntu: sudo apt install python3-venv. Dann noch einmal versuchen.</translation>
    </message>
    <message>
        <source>There is no Python 3.10 or newer that can be used, and none could be downloaded.</source>
        <translation>Es gibt kein verwendbares Python ab 3.10, und es konnte keines heruntergeladen werden.</translation>
    </message>
    <message>
        <source>Install Python 3.12 from your system or from its makers, and try again.</source>
        <translation>Installieren Sie Python 3.12 aus Ihrem System oder von dessen Herausgebern, und versuchen Sie es noch einmal.</translation>
    </message>
    <message>
        <source>Another program holds or blocks files of the backend.</source>
        <translation>Ein anderes Programm hält oder sperrt Dateien des Backends.</translation>
    </message>
    <message>
        <source>Close other QGIS windows; where a virus scanner is the reason, make an exception for the folder.</source>
        <translation>Schließen Sie andere QGIS-Fenster; ist ein Virenscanner der Grund, machen Sie für den Ordner eine Ausnahme.</translation>
    </message>
    <message>
        <source>The backend's folder cannot be written to.</source>
        <translation>In den Ordner des Backends kann nicht geschrieben werden.</translation>
    </message>
    <message>
        <source>Choose another folder for the backend, or mend the rights of this one.</source>
        <translation>Wählen Sie einen anderen Ordner für das Backend, oder berichtigen Sie die Rechte dieses Ordners.</translation>
    </message>
    <message>
        <source>The package index cannot be reached.</source>
        <translation>Der Paketindex ist nicht erreichbar.</translation>
    </message>
    <message>
        <source>Check the network; behind a proxy or with a mirror, set it in pip's configuration (pip config set global.proxy / global.index-url). Then resume: what is downloaded stays.</source>
        <translation>Prüfen Sie das Netz; hinter einem Proxy oder mit einem Spiegel tragen Sie ihn in der Konfiguration von pip ein (pip config set global.proxy / global.index-url). Dann fortsetzen: Was heruntergeladen ist, bleibt.</translation>
    </message>
    <message>
        <source>There is no package for this Python or system.</source>
        <translation>Für dieses Python oder System gibt es kein Paket.</translation>
    </message>
    <message>
        <source>The backend needs 64-bit Windows, Linux or macOS and a Python between 3.10 and 3.14; install Python 3.12 and try again, or choose a Python that has nirlora.</source>
        <translation>Das Backend braucht Windows, Linux oder macOS mit 64 Bit und ein Python zwischen 3.10 und 3.14; installieren Sie Python 3.12 und versuchen Sie es noch einmal, oder wählen Sie ein Python, das nirlora hat.</translation>
    </message>
    <message>
        <source>The installed torch and torchvision come from different builds.</source>
        <translation>torch und torchvision sind aus verschiedenen Bauarten installiert.</translation>
    </message>
    <message>
        <source>Remove the backend and install it again with the other build (CPU or GPU).</source>
        <translation>Entfernen Sie das Backend, und installieren Sie es neu mit der anderen Bauart (CPU oder GPU).</translation>
    </message>
    <message>
        <source>The installer was ended from outside: by the system for lack of memory, or by a virus scanner.</source>
        <translation>Der Installer wurde von außen beendet: vom System aus Speichermangel, oder von einem Virenscanner.</translation>
    </message>
    <message>
        <source>Close other programs and resume.</source>
        <translation>Schließen Sie andere Programme, und setzen Sie fort.</translation>
    </message>
    <message>
        <source>The installation failed.</source>
        <translation>Die Installation ist gescheitert.</translation>
    </message>
    <message>
        <source>Resume it; if that does not help, copy the diagnostics and ask with them.</source>
        <translation>Setzen Sie sie fort; hilft das nicht, kopieren Sie die Diagnose und fragen Sie damit nach.</translation>
    </message>
    <message>
        <source>No backend came with this plugin.</source>
        <translation>Mit diesem Plugin kam kein Backend.</translation>
    </message>
    <message>
        <source>Install the plugin from its zip, or choose a Python that has nirlora.</source>
        <translation>Installieren Sie das Plugin aus seinem Zip, oder wählen Sie ein Python, das nirlora hat.</translation>
    </message>
    <message>
        <source>Looking at this computer ...</source>
        <translation>Der Rechner wird angesehen ...</translation>
    </message>
    <message>
        <source>Ready on {}.</source>
        <translation>Bereit auf {}.</translation>
    </message>
    <message>
        <source>{} was not made by this plugin.</source>
        <translation>{} wurde nicht von diesem Plugin angelegt.</translation>
    </message>
    <message>
        <source>Choose another folder for the backend, or remove that one.</source>
        <translation>Wählen Sie einen anderen Ordner für das Backend, oder entfernen Sie jenen.</translation>
    </message>
    <message>
        <source>{} has {:.1f} GB of free space; the backend needs {:.0f} GB.</source>
        <translation>{} hat {:.1f} GB freien Platz; das Backend braucht {:.0f} GB.</translation>
    </message>
    <message>
        <source>Free some space, or choose another folder for the backend.</source>
        <translation>Schaffen Sie Platz, oder wählen Sie einen anderen Ordner für das Backend.</translation>
    </message>
    <message>
        <source>The self-test did not run.</source>
        <translation>Der Selbsttest ist nicht gelaufen.</translation>
    </message>
    <message>
        <source>It ended with {}.</source>
        <translation>Es endete mit {}.</translation>
    </message>
    <message>
        <source>Its last words ({}):</source>
        <translation>Seine letzten Worte ({}):</translation>
    </message>
    <message>
        <source>Repair the backend in the set-up panel, or choose another Python there.</source>
        <translation>Reparieren Sie das Backend unter „Einrichtung“, oder wählen Sie dort ein anderes Python.</translation>
    </message>
    <message>
        <source>The backend cannot be started with {}: {}.</source>
        <translation>Das Backend kann mit {} nicht gestartet werden: {}.</translation>
    </message>
    <message>
        <source>The backend was stopped while it started.</source>
        <translation>Das Backend wurde während des Starts beendet.</translation>
    </message>
    <message>
        <source>It said nothing within {:.0f} s.</source>
        <translation>Es hat sich {:.0f} s lang nicht gemeldet.</translation>
    </message>
    <message>
        <source>The backend did not start.</source>
        <translation>Das Backend ist nicht gestartet.</translation>
    </message>
    <message>
        <source>Repair the backend in the set-up panel; its diagnostics say more.</source>
        <translation>Reparieren Sie das Backend unter „Einrichtung“; die Diagnose dort sagt mehr.</translation>
    </message>
    <message>
        <source>a handshake that cannot be read ({})</source>
        <translation>eine unlesbare Begrüßung ({})</translation>
    </message>
    <message>
        <source>protocol {} (version {})</source>
        <translation>Protokoll {} (Version {})</translation>
    </message>
    <message>
        <source>The backend speaks {}; this plugin needs protocol {}.</source>
        <translation>Das Backend spricht {}; dieses Plugin braucht Protokoll {}.</translation>
    </message>
    <message>
        <source>Update the backend in the set-up panel.</source>
        <translation>Aktualisieren Sie das Backend unter „Einrichtung“.</translation>
    </message>
    <message>
        <source>signal {}</source>
        <translation>Signal {}</translation>
    </message>
    <message>
        <source>exit code {}</source>
        <translation>Rückgabewert {}</translation>
    </message>
    <message>
        <source>The backend is already being installed, here or by another QGIS.</source>
        <translation>Das Backend wird schon installiert, hier oder von einem anderen QGIS.</translation>
    </message>
    <message>
        <source>Wait until it is done.</source>
        <translation>Warten Sie, bis das fertig ist.</translation>
    </message>
    <message>
        <source>Version {} is running.</source>
        <translation>Version {} läuft.</translation>
    </message>
    <message>
        <source>It is starting.</source>
        <translation>Es startet.</translation>
    </message>
    <message>
        <source>Uses {}.</source>
        <translation>Verwendet {}.</translation>
    </message>
    <message>
        <source>Open the NIR-LoRA dock: its set-up installs, repairs and updates the backend.</source>
        <translation>Öffnen Sie das NIR-LoRA-Bedienfeld: Seine Einrichtung installiert, repariert und aktualisiert das Backend.</translation>
    </message>
    <message>
        <source>Choose another one in the set-up panel, or install the plugin's own.</source>
        <translation>Wählen Sie unter „Einrichtung“ ein anderes, oder installieren Sie das eigene des Plugins.</translation>
    </message>
    <message>
        <source>The backend was stopped.</source>
        <translation>Das Backend wurde beendet.</translation>
    </message>
    <message>
        <source>The plugin was unloaded.</source>
        <translation>Das Plugin wurde entladen.</translation>
    </message>
    <message>
        <source>The chosen Python is not there: {}.</source>
        <translation>Das gewählte Python ist nicht da: {}.</translation>
    </message>
    <message>
        <source>The installation was stopped.</source>
        <translation>Die Installation wurde angehalten.</translation>
    </message>
    <message>
        <source>{} cannot be started.</source>
        <translation>{} kann nicht gestartet werden.</translation>
    </message>
    <message>
        <source>Choose the python program of an environment.</source>
        <translation>Wählen Sie das Programm python einer Umgebung.</translation>
    </message>
    <message>
        <source>{} has no nirlora.</source>
        <translation>{} hat kein nirlora.</translation>
    </message>
    <message>
        <source>Install it there with: {}</source>
        <translation>Installieren Sie es dort mit: {}</translation>
    </message>
    <message>
        <source>nirlora of {} does not work: {}</source>
        <translation>nirlora von {} funktioniert nicht: {}</translation>
    </message>
    <message>
        <source>Reinstall it there.</source>
        <translation>Installieren Sie es dort neu.</translation>
    </message>
    <message>
        <source>nirlora {} of {} speaks protocol {}, this plugin needs {}.</source>
        <translation>nirlora {} von {} spricht Protokoll {}, dieses Plugin braucht {}.</translation>
    </message>
    <message>
        <source>Install the wheel that came with the plugin there.</source>
        <translation>Installieren Sie dort das Wheel, das mit dem Plugin kam.</translation>
    </message>
    <message>
        <source>Starting the backend ...</source>
        <translation>Das Backend wird gestartet ...</translation>
    </message>
    <message>
        <source>There is an NVIDIA GPU, but torch cannot use it: install again with the GPU build, or update the driver. Until then the CPU is used.</source>
        <translation>Es gibt eine NVIDIA-GPU, aber torch kann sie nicht verwenden: Installieren Sie neu mit der GPU-Bauart, oder aktualisieren Sie den Treiber. Bis dahin rechnet die CPU.</translation>
    </message>
    <message>
        <source>The self-test failed: {}</source>
        <translation>Der Selbsttest ist gescheitert: {}</translation>
    </message>
    <message>
        <source>This takes a few minutes; QGIS can be used meanwhile.</source>
        <translation>Das dauert einige Minuten; QGIS ist währenddessen benutzbar.</translation>
    </message>
    <message>
        <source>An installation was begun and not finished; it can be resumed.</source>
        <translation>Eine Installation wurde begonnen und nicht beendet; sie kann fortgesetzt werden.</translation>
    </message>
    <message>
        <source>{} holds something that this plugin did not install.</source>
        <translation>{} enthält etwas, das dieses Plugin nicht installiert hat.</translation>
    </message>
    <message>
        <source>The backend is not installed on this computer yet.</source>
        <translation>Das Backend ist auf diesem Rechner noch nicht installiert.</translation>
    </message>
    <message>
        <source>The installation's record cannot be read: {}.</source>
        <translation>Die Aufzeichnung der Installation kann nicht gelesen werden: {}.</translation>
    </message>
    <message>
        <source>Its Python is gone: {}. The system's Python may have changed.</source>
        <translation>Sein Python ist weg: {}. Vielleicht hat sich das Python des Systems geändert.</translation>
    </message>
    <message>
        <source>Version {} is installed, this plugin needs {}.</source>
        <translation>Version {} ist installiert, dieses Plugin braucht {}.</translation>
    </message>
    <message>
        <source>Another build of version {} is installed.</source>
        <translation>Eine andere Fassung der Version {} ist installiert.</translation>
    </message>
    <message>
        <source>Version {}, {}.</source>
        <translation>Version {}, {}.</translation>
    </message>
    <message>
        <source>There is no uv for this system; venv and pip take its place.</source>
        <translation>Für dieses System gibt es kein uv; venv und pip treten an seine Stelle.</translation>
    </message>
    <message>
        <source>{} is damaged: its SHA-256 is not the one beside it.</source>
        <translation>{} ist beschädigt: Sein SHA-256 ist nicht der beiliegende.</translation>
    </message>
    <message>
        <source>Install the plugin again.</source>
        <translation>Installieren Sie das Plugin neu.</translation>
    </message>
    <message>
        <source>The builds of torch cannot be reached; taking torch from the package index.</source>
        <translation>Die Bauarten von torch sind nicht erreichbar; torch wird vom Paketindex genommen.</translation>
    </message>
    <message>
        <source>Getting the installer</source>
        <translation>Installer holen</translation>
    </message>
    <message>
        <source>Making the environment</source>
        <translation>Umgebung anlegen</translation>
    </message>
    <message>
        <source>Downloading and installing packages</source>
        <translation>Pakete herunterladen und installieren</translation>
    </message>
    <message>
        <source>Testing the device</source>
        <translation>Gerät testen</translation>
    </message>
    <message>
        <source>There is neither uv nor a Python with pip on this computer.</source>
        <translation>Auf diesem Rechner gibt es weder uv noch ein Python mit pip.</translation>
    </message>
    <message>
        <source>On Debian and Ubuntu: sudo apt install python3-venv. Elsewhere install uv or Python. Then try again.</source>
        <translation>Unter Debian und Ubuntu: sudo apt install python3-venv. Sonst uv oder Python installieren. Dann noch einmal versuchen.</translation>
    </message>
    <message>
        <source>The installer was not found.</source>
        <translation>Der Installer wurde nicht gefunden.</translation>
    </message>
    <message>
        <source>{} is not the uv that was asked for: its SHA-256 differs.</source>
        <translation>{} ist nicht das verlangte uv: Sein SHA-256 weicht ab.</translation>
    </message>
    <message>
        <source>The package index or a proxy changes files: tell its administrator.</source>
        <translation>Der Paketindex oder ein Proxy verändert Dateien: Sagen Sie es dessen Verwaltung.</translation>
    </message>
    <message>
        <source>The backend works: version {}, {}.</source>
        <translation>Das Backend funktioniert: Version {}, {}.</translation>
    </message>
    <message>
        <source>{} is used now: version {}, {}.</source>
        <translation>{} wird jetzt verwendet: Version {}, {}.</translation>
    </message>
    <message>
        <source>The backend was removed.</source>
        <translation>Das Backend wurde entfernt.</translation>
    </message>
    <message>
        <source>One thing before you start: the backend</source>
        <translation>Eines vor dem Anfang: das Backend</translation>
    </message>
    <message>
        <source>Install the backend</source>
        <translation>Backend installieren</translation>
    </message>
    <message>
        <source>The backend is being installed</source>
        <translation>Das Backend wird installiert</translation>
    </message>
    <message>
        <source>The installation is not finished</source>
        <translation>Die Installation ist nicht fertig</translation>
    </message>
    <message>
        <source>Resume the installation</source>
        <translation>Installation fortsetzen</translation>
    </message>
    <message>
        <source>The backend is broken</source>
        <translation>Das Backend ist defekt</translation>
    </message>
    <message>
        <source>Repair the backend</source>
        <translation>Backend reparieren</translation>
    </message>
    <message>
        <source>The backend does not fit this plugin</source>
        <translation>Das Backend passt nicht zu diesem Plugin</translation>
    </message>
    <message>
        <source>Update the backend</source>
        <translation>Backend aktualisieren</translation>
    </message>
    <message>
        <source>The backend is installed</source>
        <translation>Das Backend ist installiert</translation>
    </message>
    <message>
        <source>The backend is running</source>
        <translation>Das Backend läuft</translation>
    </message>
</context>
<context>
    <name>SetupPanel</name>
    <message>
        <source>Folder: {}</source>
        <translation>Ordner: {}</translation>
    </message>
    <message>
        <source>Setting up NIR-LoRA</source>
        <translation>NIR-LoRA wird eingerichtet</translation>
    </message>
    <message>
        <source>Testing the backend</source>
        <translation>Das Backend wird getestet</translation>
    </message>
    <message>
        <source>Testing {}</source>
        <translation>{} wird getestet</translation>
    </message>
    <message>
        <source>Removing the backend</source>
        <translation>Das Backend wird entfernt</translation>
    </message>
    <message>
        <source>NIR-LoRA diagnostics</source>
        <translation>NIR-LoRA-Diagnose</translation>
    </message>
    <message>
        <source>Training and segmenting run in a Python of their own, outside QGIS. Installing it downloads 1 to 3 GB once, more for a GPU than for a CPU. QGIS's own Python is not touched.</source>
        <translation>Training und Segmentierung laufen in einem eigenen Python, außerhalb von QGIS. Die Installation lädt einmal 1 bis 3 GB herunter, für eine GPU mehr als für eine CPU. Das Python von QGIS bleibt unberührt.</translation>
    </message>
    <message>
        <source>What fits this computer</source>
        <translation>Was zu diesem Rechner passt</translation>
    </message>
    <message>
        <source>NVIDIA GPU</source>
        <translation>NVIDIA-GPU</translation>
    </message>
    <message>
        <source>CPU only (smaller)</source>
        <translation>Nur CPU (kleiner)</translation>
    </message>
    <message>
        <source>Build:</source>
        <translation>Bauart:</translation>
    </message>
    <message>
        <source>Copy diagnostics</source>
        <translation>Diagnose kopieren</translation>
    </message>
    <message>
        <source>More</source>
        <translation>Mehr</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>Abbrechen</translation>
    </message>
    <message>
        <source>Stop; it can be resumed later</source>
        <translation>Anhalten; es kann später fortgesetzt werden</translation>
    </message>
    <message>
        <source>Test the backend</source>
        <translation>Backend testen</translation>
    </message>
    <message>
        <source>Install again</source>
        <translation>Neu installieren</translation>
    </message>
    <message>
        <source>Remove the backend …</source>
        <translation>Backend entfernen …</translation>
    </message>
    <message>
        <source>Another folder …</source>
        <translation>Anderer Ordner …</translation>
    </message>
    <message>
        <source>Use another Python …</source>
        <translation>Anderes Python verwenden …</translation>
    </message>
    <message>
        <source>Use the plugin's own environment</source>
        <translation>Die eigene Umgebung des Plugins verwenden</translation>
    </message>
    <message>
        <source>The diagnostics are on the clipboard.</source>
        <translation>Die Diagnose ist in der Zwischenablage.</translation>
    </message>
    <message>
        <source>Remove the backend from {}? Your models and maps stay.</source>
        <translation>Das Backend aus {} entfernen? Ihre Modelle und Karten bleiben.</translation>
    </message>
    <message>
        <source>NIR-LoRA</source>
        <translation>NIR-LoRA</translation>
    </message>
    <message>
        <source>Folder for the backend</source>
        <translation>Ordner für das Backend</translation>
    </message>
    <message>
        <source>A Python that has nirlora</source>
        <translation>Ein Python, das nirlora hat</translation>
    </message>
</context>
<context>
    <name>TakeOverDialog</name>
    <message>
        <source>Take polygons over</source>
        <translation>Polygone übernehmen</translation>
    </message>
    <message>
        <source>Polygons of</source>
        <translation>Polygone von</translation>
    </message>
    <message>
        <source>Class is in field</source>
        <translation>Klasse steht im Feld</translation>
    </message>
    <message>
        <source>Selected polygons, or all when none is selected.</source>
        <translation>Gewählte Polygone, oder alle, wenn keines gewählt ist.</translation>
    </message>
</context>
<context>
    <name>Text</name>
    <message>
        <source>{} s</source>
        <translation>{} s</translation>
    </message>
    <message>
        <source>{}:{:02d} min</source>
        <translation>{}:{:02d} min</translation>
    </message>
    <message>
        <source>{}:{:02d} h</source>
        <translation>{}:{:02d} h</translation>
    </message>
    <message>
        <source>less than a minute</source>
        <translation>weniger als eine Minute</translation>
    </message>
    <message>
        <source>about {} min</source>
        <translation>etwa {} min</translation>
    </message>
    <message>
        <source>about {:.1f} h</source>
        <translation>etwa {:.1f} h</translation>
    </message>
    <message>
        <source>{:,.0f} m²</source>
        <translation>{:,.0f} m²</translation>
    </message>
    <message>
        <source>{:,.{}f} ha</source>
        <translation>{:,.{}f} ha</translation>
    </message>
</context>
<context>
    <name>TrainFlow</name>
    <message>
        <source>Estimating …</source>
        <translation>Wird geschätzt …</translation>
    </message>
    <message>
        <source>Training {}</source>
        <translation>{} wird trainiert</translation>
    </message>
    <message>
        <source>The model {} is ready.</source>
        <translation>Das Modell {} ist fertig.</translation>
    </message>
    <message>
        <source>Training, taken up again</source>
        <translation>Training, wieder aufgenommen</translation>
    </message>
    <message>
        <source>{} was interrupted.</source>
        <translation>{} wurde unterbrochen.</translation>
    </message>
    <message>
        <source>A training</source>
        <translation>Ein Training</translation>
    </message>
    <message>
        <source>The training was cancelled; nothing was kept.</source>
        <translation>Das Training wurde abgebrochen; nichts wurde behalten.</translation>
    </message>
    <message>
        <source>The training was interrupted.</source>
        <translation>Das Training wurde unterbrochen.</translation>
    </message>
    <message>
        <source>The backend was stopped during the training.</source>
        <translation>Das Backend wurde während des Trainings beendet.</translation>
    </message>
    <message>
        <source>The backend ended during the training and was started again.</source>
        <translation>Das Backend endete während des Trainings und wurde neu gestartet.</translation>
    </message>
</context>
<context>
    <name>TrainPanel</name>
    <message>
        <source>Name of the model file that the training writes</source>
        <translation>Name der Modelldatei, die das Training schreibt</translation>
    </message>
    <message>
        <source>Model name</source>
        <translation>Modellname</translation>
    </message>
    <message>
        <source>Train</source>
        <translation>Trainieren</translation>
    </message>
    <message>
        <source>Train another …</source>
        <translation>Noch eines trainieren …</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>Startet</translation>
    </message>
    <message>
        <source>The model is ready.</source>
        <translation>Das Modell ist fertig.</translation>
    </message>
    <message>
        <source>The model for {} is ready.</source>
        <translation>Das Modell für {} ist fertig.</translation>
    </message>
    <message>
        <source>IoU {:.2f} on polygons it was not trained on.</source>
        <translation>IoU {:.2f} auf Polygonen, mit denen es nicht trainiert wurde.</translation>
    </message>
    <message>
        <source>Nothing could be held out, so it has no score.</source>
        <translation>Es konnte nichts zurückgehalten werden, daher hat es keine Bewertung.</translation>
    </message>
    <message>
        <source>{} on {}.</source>
        <translation>{} auf {}.</translation>
    </message>
    <message>
        <source>Open the report</source>
        <translation>Bericht öffnen</translation>
    </message>
    <message>
        <source>Go on with it</source>
        <translation>Damit weitermachen</translation>
    </message>
    <message>
        <source>Go to {} and segment it</source>
        <translation>Zu {} wechseln und segmentieren</translation>
    </message>
    <message>
        <source>{} polygons, {} held out to score it</source>
        <translation>{} Polygone, {} für die Bewertung zurückgehalten</translation>
    </message>
</context>
<context>
    <name>TrainSettingsView</name>
    <message>
        <source>Quick</source>
        <translation>Schnell</translation>
    </message>
    <message>
        <source>Thorough</source>
        <translation>Gründlich</translation>
    </message>
    <message>
        <source>Expert</source>
        <translation>Experte</translation>
    </message>
    <message>
        <source>Two minutes at most: a first map, to see where more polygons are needed.</source>
        <translation>Höchstens zwei Minuten: eine erste Karte, um zu sehen, wo mehr Polygone nötig sind.</translation>
    </message>
    <message>
        <source>Until the held-out polygons no longer improve, one hour at most.</source>
        <translation>Bis sich die zurückgehaltenen Polygone nicht mehr verbessern, höchstens eine Stunde.</translation>
    </message>
    <message>
        <source>Rank</source>
        <translation>Rang</translation>
    </message>
    <message>
        <source>Options</source>
        <translation>Optionen</translation>
    </message>
    <message>
        <source>name=value, several with semicolons between; left empty: {}</source>
        <translation>Name=Wert, mehrere durch Semikolon getrennt; leer: {}</translation>
    </message>
    <message>
        <source>Start from pretrained weights</source>
        <translation>Mit vortrainierten Gewichten beginnen</translation>
    </message>
    <message>
        <source>Detail</source>
        <translation>Detail</translation>
    </message>
    <message>
        <source>Linear</source>
        <translation>Linear</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>Zeit</translation>
    </message>
    <message>
        <source>Epochs</source>
        <translation>Epochen</translation>
    </message>
    <message>
        <source> min</source>
        <translation> min</translation>
    </message>
    <message>
        <source>Chosen by itself</source>
        <translation>Von selbst gewählt</translation>
    </message>
    <message>
        <source>Backbone</source>
        <translation>Backbone</translation>
    </message>
    <message>
        <source>Trains</source>
        <translation>Trainiert</translation>
    </message>
    <message>
        <source>Head</source>
        <translation>Kopf</translation>
    </message>
    <message>
        <source>Length</source>
        <translation>Länge</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>Gerät</translation>
    </message>
</context>
<context>
    <name>TrainingFlow</name>
    <message>
        <source>Open training polygons</source>
        <translation>Trainingspolygone öffnen</translation>
    </message>
    <message>
        <source>{} polygons were taken over.</source>
        <translation>{} Polygone wurden übernommen.</translation>
    </message>
</context>
<context>
    <name>TrainingLayer</name>
    <message>
        <source>Nothing is drawn yet: draw a few polygons of each class.</source>
        <translation>Noch ist nichts gezeichnet: Zeichnen Sie einige Polygone jeder Klasse.</translation>
    </message>
    <message>
        <source>Only {} is drawn: the map needs at least two classes to tell apart.</source>
        <translation>Nur {} ist gezeichnet: Die Karte braucht mindestens zwei Klassen, um sie zu unterscheiden.</translation>
    </message>
    <message>
        <source>{} has {} of at least {} polygons: draw more, in different places.</source>
        <translation>{} hat {} von mindestens {} Polygonen: Zeichnen Sie mehr, an verschiedenen Stellen.</translation>
    </message>
    <message>
        <source>The polygons cannot be brought to the CRS of the raster.</source>
        <translation>Die Polygone lassen sich nicht in das KBS des Rasters bringen.</translation>
    </message>
    <message>
        <source>{} of {} polygons lie outside the raster and teach nothing.</source>
        <translation>{} von {} Polygonen liegen außerhalb des Rasters und lehren nichts.</translation>
    </message>
    <message>
        <source>{} polygons have no class and are not used.</source>
        <translation>{} Polygone haben keine Klasse und werden nicht verwendet.</translation>
    </message>
    <message>
        <source>The raster has no coordinate reference system: areas are in its own units.</source>
        <translation>Das Raster hat kein Koordinatenbezugssystem: Flächen sind in seinen eigenen Einheiten.</translation>
    </message>
    <message>
        <source>There are unsaved changes.</source>
        <translation>Es gibt ungespeicherte Änderungen.</translation>
    </message>
    <message>
        <source>{} is no file on this computer.</source>
        <translation>{} ist keine Datei auf diesem Rechner.</translation>
    </message>
    <message>
        <source>Make a copy of it first, or choose where the polygons go.</source>
        <translation>Machen Sie zuerst eine Kopie davon, oder wählen Sie, wohin die Polygone sollen.</translation>
    </message>
    <message>
        <source>The folder {} cannot be written to.</source>
        <translation>In den Ordner {} kann nicht geschrieben werden.</translation>
    </message>
    <message>
        <source>Save the project in a folder of yours, or choose where the polygons go.</source>
        <translation>Speichern Sie das Projekt in einem Ihrer Ordner, oder wählen Sie, wohin die Polygone sollen.</translation>
    </message>
    <message>
        <source>{} cannot be written.</source>
        <translation>{} kann nicht geschrieben werden.</translation>
    </message>
    <message>
        <source>Is the folder there, and writable?</source>
        <translation>Ist der Ordner da und beschreibbar?</translation>
    </message>
    <message>
        <source>{} holds no polygons with a text field '{}'.</source>
        <translation>{} enthält keine Polygone mit einem Textfeld „{}“.</translation>
    </message>
    <message>
        <source>Choose another file, or take its polygons over by a field of theirs.</source>
        <translation>Wählen Sie eine andere Datei, oder übernehmen Sie ihre Polygone über eines ihrer Felder.</translation>
    </message>
    <message>
        <source>Rename class {}</source>
        <translation>Klasse {} umbenennen</translation>
    </message>
    <message>
        <source>Remove class {}</source>
        <translation>Klasse {} entfernen</translation>
    </message>
    <message>
        <source>There is no class {}.</source>
        <translation>Es gibt keine Klasse {}.</translation>
    </message>
    <message>
        <source>There is no class to draw.</source>
        <translation>Es gibt keine Klasse zum Zeichnen.</translation>
    </message>
    <message>
        <source>Add one: what should the map tell apart?</source>
        <translation>Fügen Sie eine hinzu: Was soll die Karte unterscheiden?</translation>
    </message>
    <message>
        <source>The polygons were not saved: {}</source>
        <translation>Die Polygone wurden nicht gespeichert: {}</translation>
    </message>
    <message>
        <source>Is the file still there, and writable?</source>
        <translation>Ist die Datei noch da und beschreibbar?</translation>
    </message>
    <message>
        <source>Take over {}</source>
        <translation>{} übernehmen</translation>
    </message>
    <message>
        <source>The colours of the classes were not saved: {}</source>
        <translation>Die Farben der Klassen wurden nicht gespeichert: {}</translation>
    </message>
    <message>
        <source>A class needs a name.</source>
        <translation>Eine Klasse braucht einen Namen.</translation>
    </message>
    <message>
        <source>There is a class {} already.</source>
        <translation>Es gibt schon eine Klasse {}.</translation>
    </message>
    <message>
        <source>{} cannot be edited.</source>
        <translation>{} kann nicht bearbeitet werden.</translation>
    </message>
    <message>
        <source>Is its file write-protected, or on a full disk?</source>
        <translation>Ist seine Datei schreibgeschützt oder der Datenträger voll?</translation>
    </message>
    <message>
        <source>{} has no field {}.</source>
        <translation>{} hat kein Feld {}.</translation>
    </message>
    <message>
        <source>None of the {} features of {} could be taken over.</source>
        <translation>Keines der {} Objekte von {} konnte übernommen werden.</translation>
    </message>
    <message>
        <source>They must be polygons on the raster, with a value in field {}.</source>
        <translation>Es müssen Polygone auf dem Raster sein, mit einem Wert im Feld {}.</translation>
    </message>
    <message>
        <source>{} of {} features of {} were left out: outside the raster, no polygon, or without a class.</source>
        <translation>{} von {} Objekten von {} wurden ausgelassen: außerhalb des Rasters, kein Polygon oder ohne Klasse.</translation>
    </message>
</context>
<context>
    <name>TrainingPanel</name>
    <message>
        <source>Make training polygons</source>
        <translation>Trainingspolygone anlegen</translation>
    </message>
    <message>
        <source>Open a GeoPackage with polygons</source>
        <translation>GeoPackage mit Polygonen öffnen</translation>
    </message>
    <message>
        <source>Open others …</source>
        <translation>Andere öffnen …</translation>
    </message>
    <message>
        <source>Open {}</source>
        <translation>{} öffnen</translation>
    </message>
    <message>
        <source>In {}</source>
        <translation>In {}</translation>
    </message>
    <message>
        <source>Drawing {}</source>
        <translation>{} wird gezeichnet</translation>
    </message>
    <message>
        <source>Draw {}</source>
        <translation>{} zeichnen</translation>
    </message>
    <message>
        <source>Click the corners on the map, then right-click to finish the polygon.</source>
        <translation>Klicken Sie die Ecken in die Karte; ein Rechtsklick schließt das Polygon ab.</translation>
    </message>
    <message>
        <source>Add a class first: what should the map tell apart?</source>
        <translation>Fügen Sie zuerst eine Klasse hinzu: Was soll die Karte unterscheiden?</translation>
    </message>
    <message>
        <source>Draw a few polygons of everything the map should tell apart. What is left undrawn is unknown, not background.</source>
        <translation>Zeichnen Sie einige Polygone von allem, was die Karte unterscheiden soll. Was nicht gezeichnet ist, gilt als unbekannt, nicht als Hintergrund.</translation>
    </message>
    <message>
        <source>Draw polygons of the chosen class</source>
        <translation>Polygone der gewählten Klasse zeichnen</translation>
    </message>
    <message>
        <source>Take the last change back</source>
        <translation>Die letzte Änderung zurücknehmen</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>Rückgängig</translation>
    </message>
    <message>
        <source>Write the polygons to the file</source>
        <translation>Die Polygone in die Datei schreiben</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>Speichern</translation>
    </message>
    <message>
        <source>Take polygons over from another layer</source>
        <translation>Polygone aus einem anderen Layer übernehmen</translation>
    </message>
    <message>
        <source>Take over …</source>
        <translation>Übernehmen …</translation>
    </message>
</context>
<context>
    <name>TrainingPlanner</name>
    <message>
        <source>Estimating the training</source>
        <translation>Das Training wird geschätzt</translation>
    </message>
</context>
<context>
    <name>TrainingPlot</name>
    <message>
        <source>Loss and validation IoU</source>
        <translation>Verlust und Prüf-IoU</translation>
    </message>
    <message>
        <source>loss</source>
        <translation>Verlust</translation>
    </message>
    <message>
        <source>validation IoU</source>
        <translation>Prüf-IoU</translation>
    </message>
</context>
</TS>
